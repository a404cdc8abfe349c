#!/usr/bin/python
"""Module: a command has run in the notebooks of a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_exec import NotebookError, Tail, run_inside, serve

DOCUMENTATION = """
module: dstk_notebook_files_run
short_description: A command has run in the notebooks of a host
version_added: "0.1.0"
author: dstk
description:
  - Runs a command in every notebook's container at once, as the notebook's user in the home, without input.
  - Output is kept up to a limit, its end rather than its beginning.
options:
  notebooks:
    description: One mapping a notebook, with student and container.
    type: list
    elements: dict
    required: true
  command:
    description: The command and its arguments; one word alone is a line for the shell.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds after which a command is ended.
    type: float
    default: 300
  output_limit:
    description: Bytes that are kept of each of standard output and standard error.
    type: int
    default: 16384
"""

EXAMPLES = """
- name: The command has run
  dstk_notebook_files_run:
    notebooks: [{student: ada, container: dstk-ada}]
    command: [pip, list]
"""

RETURN = """
answers:
  description: By student, rc, stdout, stderr, and how many bytes of each were left out at the beginning.
  type: dict
  returned: always
failures:
  description: By student, message and fix; a command that ended badly is one.
  type: dict
  returned: always
"""


def run_command(
    notebook: Mapping[str, Any], command: list[str], *, timeout: float, limit: int
) -> tuple[dict[str, Any], bool]:
    """Run a command in one notebook, and answer what it said and whether its time was over."""
    words = ["sh", "-c", command[0]] if len(command) == 1 else command
    output, errors = Tail(limit), Tail(limit)
    ended = run_inside(notebook["container"], words, on_output=output.add, on_errors=errors.add, timeout=timeout)
    answer = {"rc": ended.rc, "stdout": output.text(), "stderr": errors.text()}
    return {**answer, "stdout_cut": output.cut, "stderr_cut": errors.cut}, ended.late


def find_failure(rc: int, late: bool, timeout: float) -> NotebookError | None:
    """Answer what is wrong with how a command ended."""
    if late:
        return NotebookError(f"the command did not end within {timeout:g} s", "give it more time with --timeout")
    if rc:
        return NotebookError(f"the command ended with code {rc}", "its output says why; the others are not concerned")
    return None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "notebooks": {"type": "list", "elements": "dict", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "float", "default": 300},
            "output_limit": {"type": "int", "default": 16384},
        },
    )
    timeout, limit = module.params["timeout"], module.params["output_limit"]
    ended: dict[str, NotebookError | None] = {}

    def work(notebook: Mapping[str, Any]) -> dict[str, Any]:
        answer, late = run_command(notebook, module.params["command"], timeout=timeout, limit=limit)
        ended[notebook["student"]] = find_failure(answer["rc"], late, timeout)
        return answer

    answers, failures = serve(module.params["notebooks"], work)
    failures |= {student: {"message": error.message, "fix": error.fix} for student, error in ended.items() if error}
    module.exit_json(changed=bool(answers), answers=answers, failures=failures)


if __name__ == "__main__":
    main()
