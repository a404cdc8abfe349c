"""Action: the module of this name on the host, with the controller's tar carried there and removed again."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """What Ansible looks for in an action plugin."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Carry the tar, and run the module."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        folder = self._make_tmp_path()
        try:
            # what the login user's folder holds, root can read
            remote = self._connection._shell.join_path(folder, "files.tar")
            self._transfer_file(arguments["bundle"], remote)
            result: dict[str, Any] = self._execute_module(
                module_args=arguments | {"bundle": remote}, task_vars=task_vars, wrap_async=False
            )
            return result
        finally:
            self._remove_tmp_path(folder)
