"""The homes of students on a host: each a file system in a file of its own, so that the kernel holds it to its size."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.dstk_notebooks import find_name, run

GB = 1000**3
RELEASE_SECONDS = 20
BLOCK = 4096
"""What ext4 counts in."""
FSTAB = Path("/etc/fstab")
SYSTEM_RESERVE = 8 * GB
"""What homes leave of the disk to the system, the image and its successor."""
OPTIONS = "loop,nosuid,nodev,nofail,x-systemd.before=docker.service"


class HomeError(Exception):
    """A home that cannot be had; the message ends with the remedy."""


def ensure_mounted(folder: Path, size_gb: float) -> bool:
    """See to it that a student's home is there, of this size at least, and answer whether that changed anything.

    A home that has files of an earlier dstk, which made plain folders, is left as it is. What holds a file system is
    never formatted, and never made smaller.

    Args:
        folder: the student's, which holds ``home`` and ``home.img``.
        size_gb: 0 for a plain folder.

    Raises:
        HomeError: the disk has no room, or a command failed.
    """
    home, image = folder / "home", folder / "home.img"
    if home.is_symlink():
        raise HomeError(f"{home} is a link\nFix: remove it.")
    if not image.exists():
        if not size_gb or (home.is_dir() and any(home.iterdir())):
            return False
        _check_room(folder.parent, int(size_gb * GB))
        _make(image, int(size_gb * GB))
    changed = _list(image, home)
    if not home.is_dir():
        home.mkdir(mode=0o700)
    if not os.path.ismount(home):
        _call("mount", str(home))
        changed = True
    # what a check of the file system would put there is no business of the student
    lost = home / "lost+found"
    if lost.is_dir() and not lost.is_symlink() and not any(lost.iterdir()):
        lost.rmdir()
    return _grow(image, home, int(size_gb * GB)) or changed


def ensure_unmounted(folder: Path) -> None:
    """Take a student's home out of use, whatever is done with its file then.

    Raises:
        HomeError: it is in use.
    """
    home = folder / "home"
    if os.path.ismount(home):
        _call("umount", str(home))
    lines = FSTAB.read_text(encoding="utf-8").splitlines(keepends=True) if FSTAB.exists() else []
    left = [line for line in lines if line.split()[1:2] != [str(home)]]
    if left != lines:
        _write("".join(left))


def find_total(images: Iterable[Path]) -> int:
    """Answer the bytes that these homes may come to hold."""
    return sum(image.stat().st_size for image in images)


def _check_room(homes: Path, size: int) -> None:
    disk = os.statvfs(homes)
    # a volume of their own is theirs alone
    reserve = 0 if os.path.ismount(homes) else SYSTEM_RESERVE
    room = disk.f_blocks * disk.f_frsize - reserve - find_total(homes.glob("*/home.img"))
    if size > room:
        raise HomeError(
            f"a home of {size / GB:.0f} GB has no room on the disk, "
            f"which has {max(0, room) / GB:.1f} GB left for homes\n"
            f"Fix: raise {'volume_size' if reserve else 'home_volume_size'}, or set a smaller home_size."
        )


def _make(image: Path, size: int) -> None:
    """Make a file system in a file, under another name until it is whole."""
    fresh = image.with_suffix(".new")
    with fresh.open("wb") as file:
        file.truncate(size)
    fresh.chmod(0o600)
    _call("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(fresh))
    fresh.rename(image)


def find_size(image: Path) -> int:
    """Answer the size in bytes that a file system knows of itself: it is smaller than its file where growing failed."""
    with image.open("rb") as file:
        # where ext4 keeps its superblock; the first fields are the numbers of inodes and blocks
        file.seek(1024)
        head = file.read(28)
    blocks, exponent = struct.unpack_from("<I", head, 4)[0], struct.unpack_from("<I", head, 24)[0]
    return int(blocks) * (1024 << int(exponent))


def _grow(image: Path, home: Path, size: int) -> bool:
    """Let a home grow: while it is in use, where the kernel lets it, else while its notebook is stopped."""
    if find_size(image) >= size // BLOCK * BLOCK:
        return False
    if image.stat().st_size < size:
        _check_room(image.parent.parent, size - image.stat().st_size)
        os.truncate(image, size)
    device = _call("findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", str(home))
    _call("losetup", "--set-capacity", device)
    if run("resize2fs", device)[0] == 0:
        return True
    # the module starts it again
    run("docker", "stop", "--time", "10", find_name(image.parent.name))
    _call("umount", str(home))
    if not _is_released(image):
        _call("mount", str(home))
        run("docker", "start", find_name(image.parent.name))
        raise HomeError("it is still in use, and cannot grow\nFix: end what uses it, and run the same command again.")
    code, output, errors = run("e2fsck", "-f", "-p", str(image))
    # 1 says that what it found is mended
    if code > 1:
        raise HomeError(f"its file system is damaged: {output}{errors}\nFix: mend it with `e2fsck -f {image}`.")
    _call("resize2fs", str(image))
    _call("mount", str(home))
    return True


def _is_released(image: Path) -> bool:
    """Wait until the kernel has let go of a file: a container that was stopped holds its mounts for a moment longer.

    Who changes the file before that changes what the kernel still has in memory, and writes over it.
    """
    deadline = time.monotonic() + RELEASE_SECONDS
    while run("losetup", "--associated", str(image))[1].strip():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _list(image: Path, home: Path) -> bool:
    """See to the line of fstab by which a home is there after a restart, before Docker starts."""
    line = f"{image} {home} ext4 {OPTIONS} 0 0\n"
    text = FSTAB.read_text(encoding="utf-8") if FSTAB.exists() else ""
    if line in text.splitlines(keepends=True):
        return False
    kept = [row for row in text.splitlines(keepends=True) if row.split()[1:2] != [str(home)]]
    _write("".join(row if row.endswith("\n") else f"{row}\n" for row in kept) + line)
    return True


def _write(text: str) -> None:
    fresh = FSTAB.with_suffix(".dstk")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(FSTAB)


def _call(*command: str) -> str:
    code, output, errors = run(*command)
    if code:
        raise HomeError(
            f"{command[0]} failed: {errors.strip() or code}\n"
            "Fix: see that the disk has room and the kernel has loop devices."
        )
    return output.strip()
