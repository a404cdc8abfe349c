#!/usr/bin/python
"""Module: the homes of a host are on a volume of their own, mounted and as large as it is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_home_volume import (
    VolumeError,
    ensure_formatted,
    ensure_grown,
    ensure_mounted,
    find_device,
    find_fault,
    find_signature,
    find_size,
    is_blank,
)

DOCUMENTATION = """
module: dstk_home_volume
short_description: The homes of a host are on a volume of their own
version_added: "0.1.0"
author: dstk
description:
  - Finds the volume, makes a file system with the label C(dstk-homes) where it carries nothing at all, mounts it by
    that label now and at each boot, and lets the file system grow to the size of the volume while it is in use.
  - What carries a file system, a partition table, or any byte at either of its ends, is never formatted.
  - Docker does not start while the volume is not mounted, so that no notebook begins with an empty home.
options:
  state:
    description: C(known) only answers which packages the host lacks, whether or not it has a volume.
    type: str
    choices: [mounted, known]
    default: mounted
  mount:
    description: Where the homes are.
    type: path
    default: /srv/dstk
  volume_id:
    description: The volume, where it is known. Without it, the one with the label, else the one empty, is taken.
    type: str
    default: ""
  device:
    description: Under which name AWS was asked to attach the volume of O(volume_id).
    type: str
    default: /dev/sdf
  required:
    description: Whether a host without such a volume is a mistake. Otherwise its homes stay on the root disk.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for a volume that must be there.
    type: int
    default: 60
"""

EXAMPLES = """
- name: The homes are on their volume
  dstk_home_volume:
    volume_id: vol-0123456789abcdef0
    required: true
"""

RETURN = """
missing:
  description: Packages that the host lacks; nothing was done where there are any.
  type: list
  returned: always
device:
  description: The volume; empty where the host has none.
  type: str
  returned: always
size:
  description: Its bytes.
  type: int
  returned: always
formatted:
  description: Whether a file system was made.
  type: bool
  returned: always
grown:
  description: Whether the file system grew.
  type: bool
  returned: always
"""

PROGRAMS = {"mkfs.xfs": "xfsprogs", "xfs_growfs": "xfsprogs"}


def await_device(parameters: Mapping[str, Any]) -> Path | None:
    """Answer the volume, which the kernel may see a moment after AWS attached it."""
    deadline = time.monotonic() + parameters["timeout"]
    while True:
        device = find_device(parameters["volume_id"], parameters["device"])
        if device is not None or not parameters["required"] or time.monotonic() > deadline:
            return device
        time.sleep(0.5)


def ensure_volume(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """See to the volume, and answer the module's result."""
    answer: dict[str, Any] = {"missing": [], "device": "", "size": 0, "formatted": False, "grown": False}
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if parameters["state"] == "known":
        return {**answer, "missing": missing, "changed": False}
    device = await_device(parameters)
    if device is None and parameters["required"]:
        raise VolumeError(
            f"the volume {parameters['volume_id']} is not to be seen on the host\n"
            f"Fix: see in the EC2 console that it is attached as {parameters['device']}, and run the command again."
        )
    if device is None:
        return {**answer, "changed": False}
    mount = Path(parameters["mount"])
    known = {**answer, "device": str(device), "size": find_size(device)}
    if missing:
        return {**known, "missing": missing, "changed": check}
    if check:
        signature = find_signature(device)
        if fault := find_fault(device, signature, not signature and is_blank(device)):
            raise VolumeError(fault)
        return {**known, "changed": not os.path.ismount(mount)}
    formatted = ensure_formatted(device)
    mounted = ensure_mounted(device, mount)
    grown = ensure_grown(device, mount)
    return {**known, "formatted": formatted, "grown": grown, "changed": formatted or mounted or grown}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["mounted", "known"], "default": "mounted"},
            "mount": {"type": "path", "default": "/srv/dstk"},
            "volume_id": {"type": "str", "default": ""},
            "device": {"type": "str", "default": "/dev/sdf"},
            "required": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    # the programs of the system are in folders that a user's path may leave out
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        module.exit_json(**ensure_volume(module.params, module.check_mode))
    except VolumeError as error:
        module.fail_json(msg=f"The volume with the homes: {error}")
    except OSError as error:
        module.fail_json(
            msg=f"The volume with the homes: {error}\nFix: see `journalctl -b` on the host, and run the command again."
        )


if __name__ == "__main__":
    main()
