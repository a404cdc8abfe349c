"""The program of the idle stop, which belongs to a host and is loaded here as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from support.environment import ROOT

ROLE = ROOT / "roles" / "idle_stop"
HOUR = 3600.0
NOW = 1_800_000_000.0


def load(path: Path, name: str) -> ModuleType:
    """Load a file as a module of that name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def load_program() -> ModuleType:
    """Load the program, and what it finds beside itself."""
    load(ROLE / "files" / "idle_judge.py", "idle_judge")
    return load(ROLE / "files" / "idle_stop.py", "idle_stop_program")
