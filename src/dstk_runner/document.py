"""A dstk.yml as it was written: its values, with the line of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dstk_runner.errors import Mistake

__all__ = ["Document", "parse_document", "read_document"]


@dataclass(frozen=True)
class Document:
    """The values of a file, the line on which each key stands, and what is wrong with its form."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()

    def find_place(self, key: str) -> str:
        """Return `file:line` of a key."""
        return f"{self.name}:{self.lines[key]}" if key in self.lines else self.name


def read_document(path: Path) -> Document:
    """Read a file; that it cannot be read is a mistake of the document, not an exception."""
    try:
        return parse_document(path.read_text(encoding="utf-8"), name=str(path))
    except FileNotFoundError:
        mistake = Mistake(str(path), "", "the file does not exist", "`dstk init` writes one")
    except IsADirectoryError:
        mistake = Mistake(str(path), "", "this is a folder, not a file", "name the file in it")
    except UnicodeDecodeError:
        mistake = Mistake(str(path), "", "the file is not UTF-8 text", "save it as UTF-8")
    except OSError as error:
        mistake = Mistake(str(path), "", f"the file cannot be read: {error.strerror}", "check its owner and mode")
    return Document(str(path), mistakes=(mistake,))


def parse_document(text: str, *, name: str) -> Document:
    """Parse the text of a dstk.yml; `name` stands before the line in every message."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        mistake = Mistake(where, "", f"this is not valid YAML: {error.problem}", "check indentation, colons and quotes")
        return Document(name, mistakes=(mistake,))
    except yaml.YAMLError as error:
        mistake = Mistake(name, "", f"this is not valid YAML: {error}", "save it as plain UTF-8 text")
        return Document(name, mistakes=(mistake,))
    if root is None:
        return Document(name)
    if not isinstance(root, yaml.MappingNode):
        where = f"{name}:{root.start_mark.line + 1}"
        mistake = Mistake(where, "", "expected `key: value` lines", "such as `region: us-west-2`")
        return Document(name, mistakes=(mistake,))
    return _read_mapping(root, name)


def _read_mapping(root: yaml.MappingNode, name: str) -> Document:
    loader = yaml.SafeLoader("")
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    mistakes: list[Mistake] = []
    for key_node, value_node in root.value:
        line = key_node.start_mark.line + 1
        key = str(key_node.value)
        if key in lines:
            fix = f"keep one of lines {lines[key]} and {line}"
            mistakes.append(Mistake(f"{name}:{line}", key, f"the key stands already on line {lines[key]}", fix))
            continue
        lines[key] = line
        try:
            values[key] = loader.construct_object(value_node, deep=True)
        except yaml.MarkedYAMLError as error:
            message = f"this value cannot be read: {error.problem}"
            mistakes.append(Mistake(f"{name}:{line}", key, message, "put it in quotes"))
    return Document(name, values, lines, tuple(mistakes))
