#!/usr/bin/python
"""Module: how the notebooks of a host are."""

from __future__ import annotations

import os
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_upgrade import find_pins
from ansible.module_utils.dstk_notebook_usage import find_home_usage, find_memory
from ansible.module_utils.dstk_notebooks import find_containers, find_images, find_name, run

DOCUMENTATION = """
module: dstk_notebook_info
short_description: How the notebooks of a host are
version_added: "0.1.0"
author: dstk
description:
  - Changes nothing. Answers all that is asked of a host in one round trip.
options:
  students:
    description: Whose notebooks are asked for.
    type: list
    elements: str
    default: []
  images:
    description: Images that are looked for.
    type: list
    elements: str
    default: []
  homes:
    description: The folder of the students' folders.
    type: path
    default: /srv/dstk
  usage_seconds:
    description: How long counting what the homes hold may take in all; 0 counts nothing.
    type: float
    default: 0
  log_lines:
    description: How many last lines of each container's log are answered.
    type: int
    default: 0
  ports:
    description: Ports by student at which the host itself asks JupyterLab.
    type: dict
    default: {}
"""

EXAMPLES = """
- name: The notebooks are known
  dstk_notebook_info:
    students: [ada, ben]
    usage_seconds: 5
"""

RETURN = """
docker:
  description: Whether Docker answers; where it does not, C(said) tells why.
  type: str
  returned: always
images:
  description: The ids of those images that are there, by name.
  type: dict
  returned: always
pins:
  description: Which images notebooks keep instead of one that is asked for, by student.
  type: dict
  returned: always
disk_free:
  description: Bytes free where the homes are.
  type: int
  returned: always
engine_free:
  description: Bytes free where Docker keeps its images, where images were asked for.
  type: int
  returned: always
notebooks:
  description: By student, the container's status, exit_code and health, what the notebook uses, its log, and whether it
    answers the host.
  type: dict
  returned: always
"""


def find_notebook(
    student: str, container: Mapping[str, Any] | None, parameters: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Answer how one notebook is."""
    home = Path(parameters["homes"], student, "home")
    disk, activity = find_home_usage(home, seconds) if seconds and home.is_dir() else (None, "")
    found: dict[str, Any] = {
        "status": "missing",
        "exit_code": 0,
        "health": "",
        "image": "",
        "memory_used": None,
        "memory_limit": None,
        "disk_used": disk,
        "disk_free": None,
        "last_activity": activity,
        "log": [],
        "answers": find_answers(int(parameters["ports"].get(student) or 0)),
    }
    if os.path.ismount(home):
        # a file system of its own, which knows both without a walk
        own = os.statvfs(home)
        found["disk_used"] = (own.f_blocks - own.f_bfree) * own.f_frsize
        found["disk_free"] = own.f_bavail * own.f_frsize
    if container is None:
        return found
    state = container["State"]
    used, limit = find_memory(int(state.get("Pid") or 0))
    found |= {
        "status": state["Status"],
        "exit_code": state["ExitCode"],
        "health": (state.get("Health") or {}).get("Status", ""),
        "image": container["Config"]["Image"],
        "memory_used": used,
        "memory_limit": limit,
    }
    if parameters["log_lines"]:
        code, output, errors = run(
            "docker", "logs", "--timestamps", "--tail", str(parameters["log_lines"]), find_name(student)
        )
        found["log"] = (output + errors).splitlines() if code == 0 else []
    return found


def find_answers(port: int) -> bool:
    """Answer whether JupyterLab answers the host itself."""
    if not port:
        return False
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return bool(opener.open(f"http://127.0.0.1:{port}/api", timeout=5).status == 200)
    except OSError:
        return False


def find_free(path: Path) -> int:
    """Answer the bytes that are free where a path is, or will be."""
    while not path.exists():
        path = path.parent
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize


def find_engine_free() -> int:
    """Answer the bytes that are free where Docker keeps its images."""
    code, output, errors = run("docker", "info", "--format", "{{ .DockerRootDir }}")
    if code or not output.strip():
        raise RuntimeError(errors.strip() or "docker info told no folder")
    return find_free(Path(output.strip()))


def find_all(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the module's result."""
    students = parameters["students"]
    result: dict[str, Any] = {
        "docker": bool(shutil.which("docker")),
        "said": "",
        "images": {},
        "engine_free": 0,
        "pins": find_pins(students),
        "disk_free": find_free(Path(parameters["homes"])),
    }
    containers: dict[str, dict[str, Any]] = {}
    if result["docker"]:
        try:
            containers = find_containers(map(find_name, students))
            result["images"] = find_images(parameters["images"])
            missing = set(parameters["images"]) - set(result["images"])
            result["engine_free"] = find_engine_free() if missing else 0
        except RuntimeError as error:
            result |= {"docker": False, "said": str(error)}
    seconds = parameters["usage_seconds"] / max(1, len(students))
    result["notebooks"] = {
        student: find_notebook(student, containers.get(find_name(student)), parameters, seconds) for student in students
    }
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "students": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
            "homes": {"type": "path", "default": "/srv/dstk"},
            "usage_seconds": {"type": "float", "default": 0},
            "log_lines": {"type": "int", "default": 0},
            "ports": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **find_all(module.params))


if __name__ == "__main__":
    main()
