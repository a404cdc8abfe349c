#!/usr/bin/python
"""Module: a program of dstk's runs on a host, by a unit of systemd."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_folders import ensure_file, read
from ansible.module_utils.dstk_notebooks import run

DOCUMENTATION = """
module: dstk_unit
short_description: A program of dstk's runs on a host, by a unit of systemd
version_added: "0.1.0"
author: dstk
description:
  - Writes program, settings and units, and sees that the unit runs, in one round trip. What is right is left alone.
options:
  files:
    description: The text of each file, by path. All belong to root, and everybody may read them.
    type: dict
    required: true
  unit:
    description: The name of the unit that runs, now and at each boot.
    type: str
    required: true
"""

EXAMPLES = """
- name: The host stops when nobody works on it
  dstk_unit:
    unit: dstk-idle.timer
    files:
      /etc/systemd/system/dstk-idle.service: "{{ lookup('ansible.builtin.template', 'dstk-idle.service.j2') }}"
      /etc/systemd/system/dstk-idle.timer: "{{ lookup('ansible.builtin.template', 'dstk-idle.timer.j2') }}"
"""

RETURN = """
written:
  description: The files that were not as they should be.
  type: list
  elements: str
  returned: always
started:
  description: Whether the unit did not run as it should.
  type: bool
  returned: always
"""


def ensure_running(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Bring it about, and answer the module's result.

    Raises:
        OSError: a file cannot be written, or the unit does not start.
    """
    files: Mapping[str, str] = parameters["files"]
    before = {path: read(Path(path)) for path in files}
    differing = [path for path, text in files.items() if before[path] != text]
    unit = parameters["unit"]
    rests = any(run("systemctl", question, "--quiet", unit)[0] for question in ("is-active", "is-enabled"))
    result = {
        "changed": bool(differing) or rests,
        "written": differing,
        "started": rests,
        "diff": {
            "before": "".join(before[path] for path in differing),
            "after": "".join(files[path] for path in differing),
        },
    }
    if check or not result["changed"]:
        return result
    for path in differing:
        Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        ensure_file(Path(path), files[path], 0, 0, 0o644)
    for words in (("daemon-reload",), ("enable", unit), ("restart", unit)):
        code, said, errors = run("systemctl", *words)
        if code:
            raise OSError(f"systemctl {' '.join(words)}: {(errors or said).strip()}")
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "required": True},
            "unit": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        module.exit_json(**ensure_running(module.params, module.check_mode))
    except OSError as error:
        module.fail_json(
            msg=f"{module.params['unit']} does not run: {error}\nFix: see the message above (`dstk ssh -- sudo "
            f"journalctl -u {module.params['unit']}` shows more), and run the same command again."
        )


if __name__ == "__main__":
    main()
