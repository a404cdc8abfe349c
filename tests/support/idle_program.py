"""The program of the idle stop, which belongs to a host and is loaded here as a module."""

from __future__ import annotations

from types import ModuleType

from support.environment import ROOT
from support.plugins import load_file

ROLE = ROOT / "roles" / "idle_stop"
HOUR = 3600.0
NOW = 1_800_000_000.0


def load_program() -> ModuleType:
    """Load the program, and what it finds beside itself."""
    load_file(ROLE / "files" / "idle_judge.py", "idle_judge")
    return load_file(ROLE / "files" / "idle_stop.py", "idle_stop_program")
