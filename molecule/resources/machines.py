"""Boot and remove machines as the sandbox has them, outside of any AWS: `machines.py up|down FOLDER KEY NAME=N...`.

N volumes of 1 GB: vol-00000000000000001 is /dev/nvme5n1, and so on. Where machines are up, what Molecule has to know
of them is printed.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path

import yaml

from dstk_runner.sandbox.engine import ensure_docker
from dstk_runner.sandbox.folder import ensure_folder
from dstk_runner.sandbox.host import Disk, HostSpec
from dstk_runner.sandbox.hosts import HostDriver
from dstk_runner.sandbox.registry import ensure_registry

ROOT = Path(__file__).parents[2]
BOOT_SECONDS = 120


def say(text: str) -> None:
    """Tell what takes long; Molecule shows it when the task has failed."""
    sys.stderr.write(f"{text}\n")


def ensure_machines(driver: HostDriver, key: Path, names: dict[str, int]) -> list[dict[str, object]]:
    """Boot the machines, wait for their sshd, and answer how each is reached."""
    defaults = yaml.safe_load((ROOT / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    ensure_registry([defaults["dstk_notebook_image"]], say)
    public_key = key.with_suffix(".pub").read_text(encoding="utf-8")
    for name in names.keys() - driver.instance_ids():
        driver.remove(name)  # a run that was killed, in a folder that nobody knows any more, may have left it
    for name, volumes in names.items():
        disks = tuple(Disk(f"vol-{number:017}", f"nvme{number + 4}n1", 1) for number in range(1, volumes + 1))
        driver.ensure(HostSpec(name, (public_key,), name, disks=disks))
    deadline = time.monotonic() + BOOT_SECONDS
    while any(driver.state(name) != "running" for name in names):
        if time.monotonic() > deadline:
            sys.exit(f"not all of {', '.join(names)} answered within {BOOT_SECONDS} s")
        time.sleep(0.2)
    return [
        {
            "instance": name,
            "address": driver.address(name),
            "user": "ubuntu",
            "port": 22,
            "identity_file": str(key),
        }
        for name in names
    ]


if __name__ == "__main__":
    action, folder, key, *asked = sys.argv[1:]
    names = {name: int(volumes or 0) for name, _, volumes in (word.partition("=") for word in asked)}
    ensure_docker(say)
    with closing(HostDriver(ensure_folder(Path(folder)), on_progress=say)) as driver:
        if action == "up":
            sys.stdout.write(json.dumps(ensure_machines(driver, Path(key), names)))
        else:
            driver.remove_all()
