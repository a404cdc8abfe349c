#!/usr/bin/python
"""Module: a course is in the homes of a host's notebooks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebooks import GID, INNER_HOME, UID, find_name, run

DOCUMENTATION = """
module: dstk_notebook_course
short_description: A course is in the homes of a host's notebooks
version_added: "0.1.0"
author: dstk
description:
  - Lets nbgitpuller fetch a repository in each container, as the notebook's user. It keeps what a student has edited.
  - Serves all notebooks in one round trip. What fails for one student fails for that student only.
options:
  students:
    description: Whose homes.
    type: list
    elements: str
    required: true
  repo:
    description: The repository's address.
    type: str
    required: true
  branch:
    description: The branch; empty for the repository's own.
    type: str
    default: ""
  folder:
    description: The folder in the home.
    type: str
    required: true
  update:
    description: Whether a course that is there is brought up to date.
    type: bool
    default: true
  timeout:
    description: Seconds that it may take for a student.
    type: int
    default: 300
"""

EXAMPLES = """
- name: The course is in the homes
  dstk_notebook_course:
    students: [ada, ben]
    repo: https://github.com/data-8/materials
    folder: materials
"""

RETURN = """
commits:
  description: The commit that each student's course is at, by student.
  type: dict
  returned: always
failures:
  description: What failed, by student, with the remedy as the last line.
  type: dict
  returned: always
"""

AT_ONCE = 4

# Prints the commit before and after on the last line. `git rev-parse` of a folder inside another repository would
# answer for that one, so the course's own .git is looked for.
SCRIPT = """
find_commit() { if [ -d "$3/.git" ]; then git -C "$3" rev-parse HEAD 2>/dev/null || true; fi; }
before=$(find_commit "$@")
if [ -z "$before" ] || [ "$4" = update ]; then
  command -v gitpuller >/dev/null || { echo 'gitpuller: not found' >&2; exit 127; }
  if [ -n "$2" ]; then gitpuller "$1" "$2" "$3"; else
    branch=$(git ls-remote --symref -- "$1" HEAD | sed -n 's#^ref: refs/heads/\\(.*\\)\\tHEAD$#\\1#p')
    [ -n "$branch" ] || exit 1
    gitpuller "$1" "$branch" "$3"
  fi >&2 || exit 1
fi
echo "$before $(find_commit "$@")"
"""

_REMEDIES = (
    ("gitpuller: not found", "add nbgitpuller to extra_packages (pip), and run `dstk up` again"),
    ("couldn't find remote ref", "correct course_branch: the repository has no such branch"),
    ("remote branch", "correct course_branch: the repository has no such branch"),
    ("could not read username", "correct course_repo: it does not exist, or may not be read without a login"),
    ("authentication failed", "correct course_repo: it does not exist, or may not be read without a login"),
    ("not found", "correct course_repo: it does not exist, or may not be read without a login"),
    ("does not appear to be a git repository", "correct course_repo: there is no git repository"),
    ("could not resolve host", "correct course_repo, or let the host reach it; then run `dstk up` again"),
    ("unable to connect", "let the host reach course_repo, and run `dstk up` again"),
    ("failed to connect", "let the host reach course_repo, and run `dstk up` again"),
    ("already exists and is not an empty directory", "set course_folder to a name that the home does not have yet"),
    ("is not running", "run `dstk up` again"),
    ("no such container", "run `dstk up` again"),
)


def find_message(said: str, student: str, repo: str) -> str:
    """Answer why a course did not come, and what mends it."""
    lowered = said.lower()
    fix = next((fix for sign, fix in _REMEDIES if sign in lowered), "see the message above, and run `dstk pull`")
    lines = [line for line in said.strip().splitlines() if line.strip() and not line.startswith("Traceback")][-4:]
    return f"{repo} could not be fetched for {student}:\n" + "\n".join(lines) + f"\nFix: {fix}."


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "students": {"type": "list", "elements": "str", "required": True},
            "repo": {"type": "str", "required": True},
            "branch": {"type": "str", "default": ""},
            "folder": {"type": "str", "required": True},
            "update": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    if module.check_mode:
        module.exit_json(changed=False, commits={}, failures={})

    def fetch(student: str) -> tuple[int, str, str]:
        return run(
            *("docker", "exec", "--user", f"{UID}:{GID}", "--workdir", INNER_HOME),
            # nobody is there to answer a question
            *("--env", "GIT_TERMINAL_PROMPT=0", find_name(student), "bash", "-c", SCRIPT, "course"),
            *(wanted["repo"], wanted["branch"], wanted["folder"], "update" if wanted["update"] else "keep"),
            timeout=wanted["timeout"],
        )

    students = wanted["students"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(students, pool.map(fetch, students), strict=True))
    commits, failures, changed = {}, {}, False
    for student, (code, output, errors) in answers.items():
        if code:
            failures[student] = find_message(errors or output, student, wanted["repo"])
            continue
        before, _, after = output.splitlines()[-1].partition(" ")
        commits[student] = after
        changed |= before != after
    module.exit_json(changed=changed, commits=commits, failures=failures)


if __name__ == "__main__":
    main()
