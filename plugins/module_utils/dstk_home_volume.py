"""The volume with the homes of a host: found, given a file system where it carries nothing at all, mounted, grown."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.dstk_notebooks import run

LABEL = "dstk-homes"
TYPE = "xfs"
"""It grows while it is in use, with no right that a machine may lack; mkfs.xfs refuses what carries a file system."""
EDGE = 1024**2
"""Bytes at both ends of a device that are zero where nothing was ever written: every file system and table is there."""
DEVICES = Path("/dev")
UNITS = Path("/etc/systemd/system")
_GET_SIZE = 0x80081272
"""The ioctl BLKGETSIZE64."""

UNIT = """\
# dstk: the homes of the notebooks
[Unit]
Description=The homes of the notebooks
Before=docker.service

[Mount]
What=/dev/disk/by-label/{label}
Where={mount}
Type={type}
Options=nosuid,nodev

[Install]
WantedBy=multi-user.target
"""
DEPENDENT = """\
# dstk: no notebook starts with an empty home where the volume with the homes is not there
[Unit]
RequiresMountsFor={mount}
"""


class VolumeError(Exception):
    """A volume that cannot be used; the message ends with the remedy."""


def find_candidates() -> list[Path]:
    """Answer the volumes of the host, without the root disk: by their ids on Nitro, by their letters on Xen."""
    named = {path.resolve() for path in (DEVICES / "disk" / "by-id").glob("nvme-Amazon_Elastic_Block_Store_vol*")}
    named |= {path for path in DEVICES.glob("xvd*") if re.fullmatch(r"xvd[b-z][a-z]?", path.name)}
    whole = {path for path in named if not re.search(r"p\d+$", path.name)}
    return sorted(path for path in whole if not find_partitions(path))


def find_partitions(device: Path) -> list[str]:
    """Answer the partitions of a disk; the root disk has some."""
    return [path.name for path in device.parent.glob(f"{device.name}*") if path != device and path.name[-1].isdigit()]


def find_device(volume_id: str, name: str) -> Path | None:
    """Answer the volume of that id, which AWS was asked to attach under that name; without an id, the one it must be.

    Args:
        volume_id: such as vol-0123; empty where nobody knows it.
        name: such as /dev/sdf.

    Raises:
        VolumeError: there are several that it may be.
    """
    if volume_id:
        link = DEVICES / "disk" / "by-id" / f"nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
        own = DEVICES / name.removeprefix("/dev/").replace("sd", "xvd", 1)
        return next((path.resolve() for path in (link, own, DEVICES / Path(name).name) if path.exists()), None)
    candidates = find_candidates()
    signatures = {path: find_signature(path) for path in candidates}
    labelled = [path for path in candidates if signatures[path].get("LABEL") == LABEL]
    chosen = labelled or [path for path in candidates if not signatures[path] and is_blank(path)]
    if len(chosen) > 1:
        raise VolumeError(
            f"{', '.join(map(str, chosen))} may all be the volume with the homes\n"
            "Fix: detach those that are not, and run the same command again."
        )
    return chosen[0] if chosen else None


def find_signature(device: Path) -> dict[str, str]:
    """Answer what blkid finds on a device; nothing where it finds nothing."""
    code, output, errors = run("blkid", "-p", "-o", "export", str(device))
    if code == 2:
        return {}
    if code:
        raise VolumeError(
            f"{device} carries what blkid cannot tell apart: {errors.strip() or code}\nFix: see what is on it (`wipefs "
            f"{device}` lists it); dstk formats no volume that may hold something."
        )
    pairs = (line.partition("=") for line in output.splitlines())
    return {key: value for key, _, value in pairs if key != "DEVNAME"}


def is_blank(device: Path) -> bool:
    """Answer whether nothing was ever written to either end of a device."""
    with device.open("rb") as file:
        start = file.read(EDGE)
        file.seek(-EDGE, os.SEEK_END)
        return not any(start) and not any(file.read(EDGE))


def find_size(device: Path) -> int:
    """Answer the bytes of a device."""
    handle = os.open(device, os.O_RDONLY)
    try:
        return int(struct.unpack("Q", fcntl.ioctl(handle, _GET_SIZE, bytes(8)))[0])
    finally:
        os.close(handle)


def find_fault(device: Path, signature: Mapping[str, str], blank: bool) -> str:
    """Answer why a volume cannot hold the homes, with the remedy; empty where it can."""
    if signature.get("LABEL") == LABEL and signature.get("TYPE") == TYPE:
        return ""
    if not signature and blank:
        return ""
    carried = signature.get("TYPE") or signature.get("PTTYPE") or "something that no program knows"
    label = f" with the label {signature['LABEL']}" if signature.get("LABEL") else ""
    return (
        f"{device} carries {carried}{label}, and no homes of dstk; what is on it is never written over\n"
        "Fix: attach the volume with the homes in its place, or an empty one."
    )


def ensure_formatted(device: Path) -> bool:
    """See to the file system of a volume, and answer whether it was made. What carries anything is never formatted.

    Raises:
        VolumeError: it carries something else.
    """
    signature = find_signature(device)
    if fault := find_fault(device, signature, not signature and is_blank(device)):
        raise VolumeError(fault)
    if signature:
        return False
    # without -f it refuses, where something has come there in the meantime
    call("mkfs.xfs", "-q", "-L", LABEL, str(device))
    return True


def ensure_units(mount: Path) -> bool:
    """See to what mounts the volume at each boot, and what keeps Docker from starting without; answer of a change."""
    name = find_unit(mount)
    texts = {
        UNITS / name: UNIT.format(label=LABEL, mount=mount, type=TYPE),
        UNITS / "docker.service.d" / "dstk-homes.conf": DEPENDENT.format(mount=mount),
    }
    changed = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
    if changed:
        call("systemctl", "daemon-reload")
    if changed or not (UNITS / "multi-user.target.wants" / name).exists():
        call("systemctl", "enable", "--quiet", name)
    return bool(changed)


def ensure_mounted(device: Path, mount: Path) -> bool:
    """See to it that the homes are there now, and answer whether that changed anything.

    Raises:
        VolumeError: something else is there.
    """
    changed = ensure_units(mount)
    if os.path.ismount(mount):
        if mount.stat().st_dev != device.stat().st_rdev:
            raise VolumeError(f"{mount} is another file system than {device}\nFix: unmount it (`umount {mount}`).")
        return changed
    if mount.is_dir() and any(mount.iterdir()):
        raise VolumeError(
            f"{mount} holds homes on the root disk, which the volume would hide\n"
            f"Fix: move what is there to the volume (mount {device} elsewhere), then run the same command again."
        )
    # what udev knows of a new label is awaited: the mount goes by it
    call("udevadm", "trigger", "--settle", str(device))
    call("systemctl", "start", find_unit(mount))
    return True


def find_unit(mount: Path) -> str:
    """Answer the name that systemd wants of the unit that mounts something there."""
    return mount.as_posix().strip("/").replace("-", r"\x2d").replace("/", "-") + ".mount"


def ensure_grown(device: Path, mount: Path) -> bool:
    """Let the file system be as large as its volume, while it is in use, and answer whether it grew."""
    now = parse_blocks(call("xfs_growfs", "-n", str(mount)))
    # less than a group of blocks is too little to be added
    if find_size(device) - now < 64 * 1024**2:
        return False
    call("xfs_growfs", "-d", str(mount))
    return True


def parse_blocks(text: str) -> int:
    """Answer the bytes of the data section that xfs_growfs tells of."""
    found = re.search(r"^data\s+=\s+bsize=(\d+)\s+blocks=(\d+)", text, re.MULTILINE)
    if not found:
        raise VolumeError(f"xfs_growfs says nothing of the file system: {text}\nFix: look at it with `xfs_info`.")
    return int(found[1]) * int(found[2])


def call(*command: str) -> str:
    """Run a command, and answer what it said.

    Raises:
        VolumeError: it failed.
    """
    code, output, errors = run(*command)
    if code:
        raise VolumeError(
            f"{command[0]} failed: {errors.strip() or output.strip() or code}\n"
            "Fix: see the message above and `journalctl -b` on the host, and run the same command again."
        )
    return output
