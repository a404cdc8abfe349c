"""Action: the module of this name on the host, and its passwords in files of the controller, the user's alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


def ensure_folders(folder: Path) -> None:
    """Make the folder of the passwords and the two above it, the deployment's and the state's, closed to others."""
    for path in (*reversed(folder.parents[:2]), folder):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o777 != 0o700:
            path.chmod(0o700)


def ensure_password(file: Path, password: str) -> bool:
    """Put a password in its place whole, never readable by others, and answer whether that changed anything."""
    if file.is_file() and file.read_text(encoding="utf-8") == password and file.stat().st_mode & 0o777 == 0o600:
        return False
    # mkstemp's files are the user's alone
    descriptor, temporary = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(password)
    Path(temporary).replace(file)
    return True


class ActionModule(ActionBase):
    """What Ansible looks for in an action plugin."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, and take the passwords out of its result before anybody sees it."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        folder = Path(arguments.pop("passwords")).expanduser() if "passwords" in arguments else None
        result: dict[str, Any] = self._execute_module(
            module_name="dstk_notebooks", module_args=arguments, task_vars=task_vars
        )
        passwords: dict[str, str] = result.pop("passwords", None) or {}
        if folder is None or self._task.check_mode or result.get("failed"):
            return result
        ensure_folders(folder)
        for student, password in passwords.items():
            # one whose folders could not be made has none
            result["changed"] |= bool(password) and ensure_password(folder / student, password)
        if arguments.get("state") == "absent":
            for student in arguments["students"]:
                (folder / student).unlink(missing_ok=True)
        return result
