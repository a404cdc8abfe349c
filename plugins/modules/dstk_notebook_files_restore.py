#!/usr/bin/python
"""Module: homes of a backup's volume, which is attached to the host for it, are copied into the homes of now."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_exec import HOME, USER, NotebookError, serve

DOCUMENTATION = """
module: dstk_notebook_files_restore
short_description: Homes of a backup are copied into the homes of now
version_added: "0.1.0"
author: dstk
description:
  - C(expected) sees to it that the host's own volume keeps its name by label when one with the same label is attached.
  - C(copied) copies the home of each notebook from the attached volume into a folder of the home of now, as its user.
    The folder is there whole or not at all, and nothing that is in the home is touched.
  - C(forgotten) undoes C(expected).
options:
  state:
    description: What is done.
    type: str
    choices: [expected, copied, forgotten]
    required: true
  volume:
    description: The id of the volume.
    type: str
    required: true
  device:
    description: Under which name it is attached.
    type: str
    default: /dev/sdp
  notebooks:
    description: One mapping a notebook, with student and container.
    type: list
    elements: dict
    default: []
  folder:
    description: The folder in the homes.
    type: str
    default: restored
  timeout:
    description: Seconds that one notebook may take.
    type: float
    default: 3600
"""

EXAMPLES = """
- name: The home of the backup is beside the one of now
  dstk_notebook_files_restore:
    state: copied
    volume: vol-0123456789abcdef0
    notebooks: [{student: ada, container: dstk-ada}]
    folder: restored-20261125T030000Z
"""

RETURN = """
answers:
  description: By student, the folder.
  type: dict
  returned: when O(state=copied)
failures:
  description: By student, message and fix.
  type: dict
  returned: when O(state=copied)
"""

RULES = Path("/run/udev/rules.d")
RULE = """\
# dstk: a volume of a backup, which has the label of the host's own
SUBSYSTEM=="block", ATTRS{{serial}}=="{serial}", OPTIONS+="link_priority=-100", ENV{{SYSTEMD_READY}}="0"
KERNEL=="{kernel}", OPTIONS+="link_priority=-100", ENV{{SYSTEMD_READY}}="0"
"""
DEVICES = Path("/dev")
WAIT_SECONDS = 60
LEFT_OUT = ("./.local/share/jupyter/runtime", "./lost+found")
"""What opens the notebook that ran then, and what is the file system's own."""
RECEIVE = """\
set -e
if [ -e "$1" ]; then echo "$1 is there already" >&2; exit 1; fi
new=".$1.partial"
rm -rf "$new"
mkdir "$new"
trap 'rm -rf "$new"' EXIT
tar --extract --file - --no-same-owner --directory "$new"
mv "$new" "$1"
trap - EXIT
"""


def find_rule(volume: str) -> Path:
    """Answer the file of the rule for a volume."""
    return RULES / f"59-dstk-{volume}.rules"


def ensure_expected(volume: str, device: str) -> None:
    """See to the rule, before the volume is attached: the mount of the homes goes by the label's link."""
    RULES.mkdir(parents=True, exist_ok=True)
    kernel = Path(device).name.replace("sd", "xvd", 1)
    find_rule(volume).write_text(RULE.format(serial=volume.replace("-", ""), kernel=kernel), encoding="utf-8")
    run("udevadm", "control", "--reload")


def ensure_forgotten(volume: str) -> None:
    """See to it that the rule is gone."""
    find_rule(volume).unlink(missing_ok=True)
    run("udevadm", "control", "--reload")


def await_device(volume: str, device: str) -> Path:
    """Wait until the host has the volume, and answer its device.

    Raises:
        NotebookError: it has not come.
    """
    link = DEVICES / "disk" / "by-id" / f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
    places = (link, DEVICES / Path(device).name.replace("sd", "xvd", 1))
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        run("udevadm", "settle")
        for place in places:
            if place.is_block_device():
                return place.resolve()
        time.sleep(1)
    raise NotebookError(f"the host does not see the volume {volume}", "run the same command again")


@contextlib.contextmanager
def mounted(source: Path, *options: str) -> Iterator[Path]:
    """Lend a file system; nothing of it is run, and nothing of it is a device."""
    folder = Path(tempfile.mkdtemp(prefix="dstk-restore-", dir="/run"))
    try:
        call("mount", "-o", ",".join(("nosuid", "nodev", "noexec", *options)), str(source), str(folder))
        try:
            yield folder
        finally:
            call("umount", str(folder))
    finally:
        folder.rmdir()


def copy_home(homes: Path, notebook: Mapping[str, Any], folder: str, timeout: float) -> dict[str, Any]:
    """Copy one student's home from the volume, and answer what is told of it."""
    place = homes / notebook["student"]
    if not place.is_dir():
        raise NotebookError("the backup has no home of this student", "`dstk backup --list` shows which there are")
    image = place / "home.img"
    with mounted(image, "loop") if image.is_file() else contextlib.nullcontext(place / "home") as home:
        send(home, notebook["container"], folder, timeout)
    return {"folder": folder}


def send(home: Path, container: str, folder: str, timeout: float) -> None:
    """Hand what lies in a folder of root's to the notebook's user, who unpacks it."""
    left_out = [f"--exclude={name}" for name in LEFT_OUT]
    pack = ["tar", "--create", "--file", "-", *left_out, "--directory", str(home), "."]
    unpack = ["docker", "exec", "--interactive", "--user", USER, "--workdir", HOME, container]
    unpack += ["timeout", f"{timeout:g}", "sh", "-c", RECEIVE, "sh", folder]
    with subprocess.Popen(pack, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packing:  # noqa: S603
        done = subprocess.run(unpack, stdin=packing.stdout, capture_output=True, text=True, check=False)  # noqa: S603
        if packing.stdout:
            packing.stdout.close()
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
        fix = "see the message; where there is no room, raise home_size or let the student make some"
        raise NotebookError(f"the home could not be copied: {last}", fix)
    if packing.returncode:
        raise NotebookError("the home of the backup could not be read to its end", "choose another backup")


def ensure_copied(params: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the homes, and answer the module's result."""
    try:
        device = await_device(params["volume"], params["device"])
        # it was made of the host's own, and bears the same id
        kind = run("blkid", "-p", "-s", "TYPE", "-o", "value", str(device)).stdout.strip()
        with mounted(device, *(["nouuid"] if kind == "xfs" else [])) as homes:
            answers, failures = serve(
                params["notebooks"], lambda one: copy_home(homes, one, params["folder"], params["timeout"])
            )
    except NotebookError as error:
        failure = {"message": error.message, "fix": error.fix}
        return {"answers": {}, "failures": {one["student"]: failure for one in params["notebooks"]}}
    return {"answers": answers, "failures": failures}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the host, and answer how it ended."""
    return subprocess.run(  # noqa: S603 - words of ours, and ids that were looked at
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )


def call(*command: str) -> None:
    """Run a program of the host that has to end well.

    Raises:
        NotebookError: it did not.
    """
    done = run(*command)
    if done.returncode:
        raise NotebookError(f"{' '.join(command)}: {done.stderr.strip()}", "choose another backup, or look at the host")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["expected", "copied", "forgotten"], "required": True},
            "volume": {"type": "str", "required": True},
            "device": {"type": "str", "default": "/dev/sdp"},
            "notebooks": {"type": "list", "elements": "dict", "default": []},
            "folder": {"type": "str", "default": "restored"},
            "timeout": {"type": "float", "default": 3600},
        },
    )
    params = module.params
    if not re.fullmatch(r"vol-[0-9a-f]+", params["volume"]) or not re.fullmatch(r"[\w.-]+", params["folder"]):
        module.fail_json(msg=f"{params['volume']} is no volume, or {params['folder']} no name of a folder")
    if params["state"] == "copied":
        answer = ensure_copied(params)
        module.exit_json(changed=bool(answer["answers"]), **answer)
    if params["state"] == "expected":
        ensure_expected(params["volume"], params["device"])
    else:
        ensure_forgotten(params["volume"])
    # a rule for the minutes of a copy is no change of the host
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
