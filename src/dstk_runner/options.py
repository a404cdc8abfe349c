"""The flags that every command of a deployment takes, written once."""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from dstk_runner.config import Config, load_config

__all__ = ["Answer", "AsJson", "Limit", "Request", "takes_request"]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Limit = Annotated[
    list[str] | None,
    typer.Option("--limit", help="Only these students: logins with commas between them; can be repeated."),
]

_CONFIGURATION = "Configuration"


@dataclass(frozen=True)
class Answer:
    """What a command has to say: to machines, and to people."""

    document: dict[str, Any]
    text: str
    as_json: bool


@dataclass(frozen=True)
class Request:
    """What the flags said."""

    source: Path | None = None
    as_json: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)

    def load(self, *, limit: list[str] | None = None, prune: bool = False) -> Config:
        """Merge the flags with the file and the environment, and with what is said of this run alone."""
        names = [name.strip() for text in limit or () for name in text.split(",") if name.strip()]
        own = {**({"limit": names} if names else {}), **({"prune": True} if prune else {})}
        return load_config(self.source, overrides={**self.overrides, **own}, as_flags=True)


def _key(kind: Any, text: str, *names: str) -> Any:
    return Annotated[kind | None, typer.Option(*names, help=text, rich_help_panel=_CONFIGURATION, show_default=False)]


_KEYS: dict[str, Any] = {
    "deployment": _key(str, "Names and tags everything."),
    "region": _key(str, "AWS region."),
    "instance_type": _key(str, "Such as t3.medium."),
    "volume_size": _key(int, "Size of the disk in GB."),
    "student": _key(str, "Who the notebook is for."),
    "roster": _key(str, "A CSV file with a student a line."),
    "placement": _key(str, "dedicated, or shared: several notebooks to an instance."),
    "students_per_host": _key(str, "Of a shared instance: a number, or auto."),
    "notebook_memory": _key(str, "Memory of a notebook in MB, or auto."),
    "notebook_cpus": _key(str, "CPUs of a notebook, or auto."),
    "allowed_cidrs": _key(list[str], "A network that may reach the notebook; can be repeated.", "--allowed-cidr"),
    "vpc_id": _key(str, "An existing VPC instead of one of its own."),
    "ssh_key": _key(str, "Path of the private key."),
    "docker_source": _key(str, "auto, docker or distribution."),
    "notebook_image": _key(str, "The image that the notebook runs."),
    "notebook_port": _key(int, "The port of the notebook's link."),
    "swap_size": _key(str, "Swap in MB, or auto."),
    "state_dir": _key(str, "Where logs and passwords are kept."),
}
_COMMON: dict[str, tuple[Any, Any]] = {
    "config": (
        Annotated[Path | None, typer.Option("--config", help="The file; by default ./dstk.yml, where there is one.")],
        None,
    ),
    "sandbox": (Annotated[bool, typer.Option("--sandbox", help="On this machine, without an AWS account.")], False),
    "as_json": (AsJson, False),
    **{key: (annotation, None) for key, annotation in _KEYS.items()},
}


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common flags; it gets them as its first argument, a Request."""

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        given = {name: values.pop(name) for name in _COMMON}
        command(_read_request(given), **values)

    own = list(inspect.signature(command).parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _COMMON.items()
    ]
    hints = typing.get_type_hints(command, include_extras=True)
    own = [item.replace(annotation=hints[item.name], kind=inspect.Parameter.KEYWORD_ONLY) for item in own]
    hints |= {name: annotation for name, (annotation, _) in _COMMON.items()}
    wrapped.__annotations__ = {name: hint for name, hint in hints.items() if name != "request"}
    wrapped.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined] # typer reads it
    return wrapped


def _read_request(given: dict[str, Any]) -> Request:
    overrides = {key: given[key] for key in _KEYS if given[key] not in (None, [])}
    for key in ("swap_size", "students_per_host", "notebook_memory", "notebook_cpus"):
        with contextlib.suppress(ValueError):
            overrides[key] = _read_number(str(overrides.get(key, "")))
    if given["sandbox"]:
        overrides["target"] = "sandbox"
    return Request(source=given["config"], as_json=given["as_json"], overrides=overrides)


def _read_number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)
