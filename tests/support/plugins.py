"""The plugins of the project, loaded without Ansible, and its programs that are on no path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from support.environment import ROOT

PLUGINS = ROOT / "plugins"

Load = Callable[[str], ModuleType]


def load_file(path: Path, name: str) -> ModuleType:
    """A file that is on no path of Python's, as a module of that name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def load_plugin(name: str) -> ModuleType:
    """A plugin as Ansible finds it, by its place, under a name of its own."""
    return load_file(PLUGINS / f"{name}.py", name.replace("/", "_"))


def load_packed(name: str) -> ModuleType:
    """A plugin that uses others, which are where Ansible puts them when it packs a module."""
    folder = str(PLUGINS / "module_utils")
    packed = importlib.import_module("ansible.module_utils").__path__
    if folder not in packed:
        packed.append(folder)
    return load_plugin(name)
