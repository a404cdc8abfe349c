"""Where the playbooks, the roles and the defaults are: in the checkout, or inside the installed package."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from dstk_runner.errors import RunError

__all__ = [
    "find_project",
    "load_bucket",
    "load_cost",
    "load_errors",
    "load_estimate",
    "load_known_hosts",
    "load_layers",
    "load_names",
    "load_prices",
    "load_roster",
    "load_schedule",
    "load_seats",
    "load_spent",
    "load_spent_facts",
]


@functools.cache
def find_project() -> Path:
    """Return the folder that holds ansible.cfg, playbooks and roles.

    Raises:
        RunError: this installation of dstk lacks them.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_project", package.parent.parent):
        if (folder / "ansible.cfg").is_file() and (folder / "playbooks").is_dir():
            return folder
    raise RunError(
        f"the playbooks of dstk are not beside {package}",
        "install dstk again: pip install --force-reinstall dstk",
    )


def load_layers() -> ModuleType:
    """Return the module with which Ansible's plugins resolve a value."""
    return _load("dstk_layers")


def load_backup() -> ModuleType:
    """Return the module that names what backups are made by."""
    return _load("dstk_backup")


def load_bucket() -> ModuleType:
    """Return the module that names the bucket which carries files to hosts without SSH."""
    return _load("dstk_bucket")


def load_cost() -> ModuleType:
    """Return the module that adds up what a class costs."""
    return _load("dstk_cost")


def load_estimate() -> ModuleType:
    """Return the module that knows what a configuration makes, and so costs."""
    return _load("dstk_estimate")


def load_errors() -> ModuleType:
    """Return the module that knows what went wrong and what mends it."""
    return _load("dstk_aws_errors")


def load_known_hosts() -> ModuleType:
    """Return the module that knows the file in which SSH finds the keys of hosts."""
    return _load("dstk_known_hosts")


def load_names() -> ModuleType:
    """Return the module that knows the zones in which names lie."""
    return _load("dstk_names")


def load_prices() -> ModuleType:
    """Return the module that knows the prices."""
    return _load("dstk_prices")


def load_roster() -> ModuleType:
    """Return the module that reads the class, and writes cells that no spreadsheet takes for formulas."""
    return _load("dstk_roster")


def load_schedule() -> ModuleType:
    """Return the module that reads when hosts start and stop."""
    return _load("dstk_schedule")


def load_seats() -> ModuleType:
    """Return the module that decides who sits where."""
    return _load("dstk_seats")


def load_spent() -> ModuleType:
    """Return the module that adds up what a deployment has cost."""
    return _load("dstk_spent")


def load_spent_facts() -> ModuleType:
    """Return the module that asks AWS what it still knows of what a deployment has cost."""
    return _load("dstk_spent_facts")


@functools.cache
def _load(name: str) -> ModuleType:
    """Load a module by its path: the plugins' own file (see docs/design.md), so that no door has a way of its own."""
    path = find_project() / "plugins" / "module_utils" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RunError(f"{path} is missing", "install dstk again: pip install --force-reinstall dstk")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their own module up by name
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module
