#!/usr/bin/python
"""Module: the notebooks of a host run as they are defined, or are gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_folders import (
    COOKIE_KEY,
    ensure_hashes,
    ensure_student_folders,
    find_student_folder,
    forget_secrets,
    read,
)
from ansible.module_utils.dstk_notebook_homes import HomeError, ensure_unmounted
from ansible.module_utils.dstk_notebook_upgrade import (
    apply_pins,
    bring_back_unsettled,
    find_aside,
    find_pins,
    set_aside,
    settle,
)
from ansible.module_utils.dstk_notebooks import (
    SETTINGS,
    find_arguments,
    find_containers,
    find_definition,
    find_difference,
    find_images,
    find_limits,
    find_memory_mb,
    find_name,
    find_options,
    find_own_limit,
    find_run_message,
    run,
)

DOCUMENTATION = """
module: dstk_notebooks
short_description: The notebooks of a host run as they are defined, or are gone
version_added: "0.1.0"
author: dstk
description:
  - Serves all notebooks of a host in one round trip. What fails for one student fails for that student only, and is
    answered in C(failures).
  - A container whose definition is what it was is never restarted.
  - Passwords are made on the host, once. The action of the same name writes them into O(passwords) on the controller;
    they are in no result.
options:
  state:
    description:
      - Whether they run or are gone. C(settled) ends an upgrade, and brings the old containers of O(failed) back.
    type: str
    choices: [present, absent, settled]
    default: present
  notebooks:
    description:
      - One mapping a seat, with student, seat, port, image, memory (MB), cpus, home (GB of its file system, 0 for
        a plain folder) and sudo (whether its user may become root). 0 is no limit of memory but what the host needs.
    type: list
    elements: dict
    default: []
  upgrade:
    description:
      - Whether a container that is replaced is kept beside the new one, until O(state=settled). What an earlier upgrade
        remembered counts for nothing then.
    type: bool
    default: false
  failed:
    description: Whose new container did not get healthy, where O(state) is C(settled).
    type: list
    elements: str
    default: []
  students:
    description: Whose notebooks are gone, where O(state) is C(absent).
    type: list
    elements: str
    default: []
  deployment:
    description: The deployment that they belong to.
    type: str
    required: true
  homes:
    description: The folder of the students' folders, each with a home.
    type: path
    default: /srv/dstk
  configuration:
    description: The text of jupyter_server_config.py.
    type: str
    default: ""
  files:
    description: The texts of what stands beside it, by path from there.
    type: dict
    default: {}
  rotate:
    description: Whether passwords and the keys of cookies are made anew.
    type: bool
    default: false
  hasher:
    description: The Python program that the image's own Python hashes passwords with.
    type: str
    default: ""
  pids:
    description: How many processes and threads a notebook may have.
    type: int
    default: 2048
  start_timeout:
    description: Seconds that a notebook may take to start.
    type: int
    default: 300
  keep_home:
    description: Whether removing leaves the home.
    type: bool
    default: true
  passwords:
    description: The folder on the controller that passwords are copied into.
    type: path
"""

EXAMPLES = """
- name: The notebooks run
  dstk_notebooks:
    deployment: csx450
    notebooks:
      - {student: ada, seat: 1, port: 8888, image: "quay.io/jupyter/minimal-notebook:2026-08-24", memory: 2048, cpus: 1}
"""

RETURN = """
actions:
  description: What was done, by student, which is unchanged, created, replaced, started, removed or back.
  type: dict
  returned: always
failures:
  description: What failed, by student, with the remedy as the last line.
  type: dict
  returned: always
imageless:
  description: Students whose image is not on the host; nothing was done for them.
  type: list
  returned: always
pins:
  description: Which images notebooks keep instead of one that is asked for, by student.
  type: dict
  returned: when O(state) is C(present) or C(settled)
docker:
  description: Whether the host has Docker, which it need not have yet in check mode.
  type: bool
  returned: always
"""

START_AT_ONCE = 4
"""Containers that are started side by side: more make Docker slower."""


def find_action(container: Mapping[str, Any] | None, definition: str) -> str:
    """Answer what a container needs: to be created, replaced, started, or nothing."""
    if container is None:
        return "created"
    if (container["Config"].get("Labels") or {}).get("dstk.definition") != definition:
        return "replaced"
    return "unchanged" if container["State"]["Status"] in ("running", "restarting") else "started"


def ensure_container(action: str, student: str, arguments: list[str], image: str, *, aside: bool) -> str:
    """Do what the container needs, and answer what Docker said where it failed; one that is replaced may stand by."""
    name = find_name(student)
    if action == "started":
        code, _, errors = run("docker", "start", name)
        return errors if code else ""
    if action == "replaced" and aside:
        set_aside(student)
    elif action == "replaced":
        run("docker", "stop", "--time", "10", name)
        run("docker", "rm", "--force", name)
    code, _, errors = run("docker", "run", "--detach", *arguments, image)
    return errors if code else ""


def ensure_present(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Serve the notebooks, and answer the module's result."""
    asked = [dict(notebook) for notebook in parameters["notebooks"]]
    docker = bool(shutil.which("docker"))
    pins = find_pins(notebook["student"] for notebook in asked)
    if docker and not check:
        bring_back_unsettled(notebook["student"] for notebook in asked)
    if docker and not parameters["upgrade"]:
        apply_pins(asked, pins)
    # in check mode on a fresh machine there is no engine to ask, and no image to run
    images = {} if check and not docker else find_images(notebook["image"] for notebook in asked)
    notebooks = [notebook for notebook in asked if notebook["image"] in images]
    imageless = [notebook["student"] for notebook in asked if notebook["image"] not in images]
    homes, memory_mb, processors = Path(parameters["homes"]), find_memory_mb(), os.cpu_count() or 1
    students = [notebook["student"] for notebook in notebooks]
    texts = {**parameters["files"], "jupyter_server_config.py": parameters["configuration"]}
    failures: dict[str, str] = {}
    changed = check and not all((homes / student / "home").is_dir() for student in students)
    if not check:
        for folder in (Path(SETTINGS), homes):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for notebook in notebooks:
            student, size = notebook["student"], float(notebook.get("home") or 0)
            try:
                if parameters["rotate"]:
                    forget_secrets(student)
                changed |= ensure_student_folders(student, homes, texts, size)
            except HomeError as error:
                failures[student] = f"The home of {student} could not be had: {error}"
            except OSError as error:
                failures[student] = f"No folders of {student} could be made: {error}\nFix: mend or remove that path."
        for image in {notebook["image"] for notebook in notebooks}:
            own = [n["student"] for n in notebooks if n["image"] == image and n["student"] not in failures]
            failures |= ensure_hashes(own, image, parameters["hasher"])
    there = find_containers(map(find_name, students))
    diff: list[dict[str, str]] = []
    work: list[tuple[str, dict[str, Any], list[str]]] = []
    for notebook in notebooks:
        student = notebook["student"]
        notebook["memory"], notebook["cpus"] = find_limits(notebook, memory_mb=memory_mb, processors=processors)
        notebook["own_memory"] = 0 if notebook["memory"] else find_own_limit(memory_mb)
        jupyter = find_student_folder(student) / "jupyter"
        arguments = find_arguments(
            notebook,
            deployment=parameters["deployment"],
            home=str(homes / student / "home"),
            config=str(jupyter),
            pids=parameters["pids"],
            start_timeout=parameters["start_timeout"],
        )
        definition = find_definition(
            arguments,
            images[notebook["image"]],
            # Jupyter reads them at its start
            *(text for path, text in sorted(texts.items()) if path.endswith(".py")),
            read(jupyter / "jupyter_server_config.json"),
            read(jupyter / COOKIE_KEY),
        )
        action = find_action(there.get(find_name(student)), definition)
        options = find_options(arguments)
        diff.append(find_difference(action, find_name(student), options, there))
        labels = [f"dstk.definition={definition}", f"dstk.options={options}"]
        work.append((action, notebook, [*arguments, *(part for label in labels for part in ("--label", label))]))

    def serve(item: tuple[str, dict[str, Any], list[str]]) -> None:
        action, notebook, arguments = item
        said = ensure_container(action, notebook["student"], arguments, notebook["image"], aside=parameters["upgrade"])
        if said:
            failures[notebook["student"]] = find_run_message(said, int(notebook["port"]))

    todo = [item for item in work if item[0] != "unchanged" and item[1]["student"] not in failures]
    if not check:
        with ThreadPoolExecutor(START_AT_ONCE) as pool:
            list(pool.map(serve, todo))
    return {
        "changed": changed or bool(todo) or (check and bool(imageless)),
        "imageless": imageless,
        "docker": docker,
        "pins": pins,
        "actions": {notebook["student"]: action for action, notebook, _ in work},
        "failures": failures,
        "diff": [entry for entry in diff if entry],
        "passwords": {}
        if check
        else {student: read(find_student_folder(student) / "password") for student in students},
    }


def ensure_settled(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """End an upgrade, and answer the module's result."""
    if check:
        return {"changed": False, "actions": {}, "failures": {}, "pins": {}}
    back, troubles = settle(parameters["notebooks"], parameters["failed"])
    return {
        "changed": bool(back),
        "actions": dict.fromkeys(back, "back"),
        "images": back,
        "failures": {
            student: f"The old container stays stopped: {said}\nFix: docker start {find_aside(student)} on the host."
            for student, said in troubles.items()
        },
        "pins": find_pins(notebook["student"] for notebook in parameters["notebooks"]),
    }


def ensure_absent(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Remove the notebooks, and answer the module's result."""
    students = parameters["students"]
    there = find_containers(map(find_name, students)) if shutil.which("docker") else {}
    actions, failures = {}, {}
    for student in students:
        folders = [find_student_folder(student)]
        if not parameters["keep_home"]:
            folders.append(Path(parameters["homes"], student))
        left = [folder for folder in folders if folder.exists()]
        actions[student] = "removed" if left or find_name(student) in there else "unchanged"
        if check:
            continue
        run("docker", "rm", "--force", find_aside(student))
        is_there = find_name(student) in there
        code, _, errors = run("docker", "rm", "--force", find_name(student)) if is_there else (0, "", "")
        if code:
            failures[student] = f"The container stays: {errors.strip()}\nFix: run the same command again."
            continue
        try:
            ensure_unmounted(Path(parameters["homes"], student))
        except HomeError as error:
            failures[student] = f"The home of {student} is in use: {error}"
            continue
        for folder in left:
            # its fd-based walk follows no link out of a home
            shutil.rmtree(folder)
    return {"changed": "removed" in actions.values(), "actions": actions, "failures": failures, "passwords": {}}


STATES: dict[str, Callable[[Mapping[str, Any], bool], dict[str, Any]]] = {
    "present": ensure_present,
    "absent": ensure_absent,
    "settled": ensure_settled,
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": list(STATES), "default": "present"},
            "notebooks": {"type": "list", "elements": "dict", "default": []},
            "students": {"type": "list", "elements": "str", "default": []},
            "deployment": {"type": "str", "required": True},
            "homes": {"type": "path", "default": "/srv/dstk"},
            "configuration": {"type": "str", "default": ""},
            "files": {"type": "dict", "default": {}},
            "rotate": {"type": "bool", "default": False},
            "upgrade": {"type": "bool", "default": False},
            "failed": {"type": "list", "elements": "str", "default": []},
            "hasher": {"type": "str", "default": ""},
            "pids": {"type": "int", "default": 2048},
            "start_timeout": {"type": "int", "default": 300},
            "keep_home": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        module.exit_json(**STATES[module.params["state"]](module.params, module.check_mode))
    except (OSError, RuntimeError, ValueError) as error:
        module.fail_json(
            msg=f"The notebooks could not be served: {error}\nFix: see that Docker runs on the host (`systemctl status "
            "docker`) and that its disk has room, and run the same command again."
        )


if __name__ == "__main__":
    main()
