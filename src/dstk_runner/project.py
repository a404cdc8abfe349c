"""Where the playbooks, the roles and the defaults are: in the checkout, or inside the installed package."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

from dstk_runner.errors import RunError

__all__ = ["find_project", "load_layers"]


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


@functools.cache
def load_layers() -> ModuleType:
    """Return the module with which Ansible's plugins resolve a value, loaded by its path.

    It is the plugins' own file (see docs/design.md), so that no door resolves a value in its own way.
    """
    path = find_project() / "plugins" / "module_utils" / "dstk_layers.py"
    spec = importlib.util.spec_from_file_location("dstk_layers", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RunError(f"{path} is missing", "install dstk again: pip install --force-reinstall dstk")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
