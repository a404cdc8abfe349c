#!/usr/bin/python
"""Module: files are in the homes of a host's notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils import dstk_notebook_inside
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_exec import Lines, run_program, serve

DOCUMENTATION = """
module: dstk_notebook_files_send
short_description: Files are in the homes of a host's notebooks
version_added: "0.1.0"
author: dstk
description:
  - Puts the files of a tar, as M(dstk_notebook_files_pack) makes it, into every home at once, as the notebook's user.
  - A file that a student has edited is kept. One that is as it was sent before is replaced by its newer version.
  - The action of the same name carries the tar to the host.
options:
  notebooks:
    description: One mapping a notebook, with student and container.
    type: list
    elements: dict
    required: true
  bundle:
    description: The tar, on the host; for the action, on the controller.
    type: path
    required: true
  folder:
    description: Where in the home the files belong; empty is the home itself.
    type: str
    default: ""
  overwrite:
    description: Whether a student's edits are written over.
    type: bool
    default: false
  timeout:
    description: Seconds that one notebook may take.
    type: float
    default: 900
"""

EXAMPLES = """
- name: The files are in the homes
  dstk_notebook_files_send:
    notebooks: [{student: ada, container: dstk-ada}]
    bundle: /var/tmp/files.tar
    folder: week1
"""

RETURN = """
answers:
  description: By student, the names sent, kept and unchanged (of each the first hundred), and counts of each.
  type: dict
  returned: always
failures:
  description: By student, message and fix.
  type: dict
  returned: always
"""

KINDS = ("sent", "kept", "unchanged")


def read_answer(document: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what a notebook says of itself, in a known shape: it is a student's machine that says it."""
    names: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    said = document.get("counts")
    for kind in KINDS:
        given = document.get(kind)
        names[kind] = (
            [str(name)[:1000] for name in given[: dstk_notebook_inside.NAMES]] if isinstance(given, list) else []
        )
        count = said.get(kind) if isinstance(said, Mapping) else 0
        counts[kind] = count if isinstance(count, int) else len(names[kind])
    return {**names, "counts": counts}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "notebooks": {"type": "list", "elements": "dict", "required": True},
            "bundle": {"type": "path", "required": True},
            "folder": {"type": "str", "default": ""},
            "overwrite": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 900},
        },
    )
    params = module.params

    def work(notebook: Mapping[str, Any]) -> dict[str, Any]:
        lines = Lines()
        run_program(
            notebook["container"],
            dstk_notebook_inside,
            "receive",
            {"folder": params["folder"], "overwrite": params["overwrite"]},
            on_output=lines.add,
            source=params["bundle"],
            timeout=params["timeout"],
        )
        return read_answer(lines.answer())

    answers, failures = serve(params["notebooks"], work)
    changed = any(answer["counts"]["sent"] for answer in answers.values())
    module.exit_json(changed=changed, answers=answers, failures=failures)


if __name__ == "__main__":
    main()
