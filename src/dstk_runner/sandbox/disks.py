"""What is on a sandbox's volumes: a sparse file each, and a loop device while an instance has it."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from dstk_runner.sandbox.errors import SandboxError

GIB = 1024**3
"""What EBS means by a GB."""
RELEASE_SECONDS = 10
TRIES = 10

#: ioctls of the kernel: include/uapi/linux/loop.h and fs.h.
_GET_FREE, _FREEZE, _THAW = 0x4C82, 0xC0045877, 0xC0045878
_CONTROL = Path("/dev/loop-control")
_MAJOR = 7


class Disks:
    """Volumes and snapshots that are nothing but names, where no instance is booted."""

    def copy(self, source: str, target: str) -> None:
        """Let a volume or a snapshot hold what another one holds in this moment."""

    def grow(self, volume_id: str, gigabytes: int) -> None:
        """Let a volume be larger, also while an instance uses it."""

    def detach(self, volume_id: str) -> None:
        """Take a volume away from an instance."""

    def remove(self, name: str) -> None:
        """Forget what a volume or a snapshot held."""

    def clear(self) -> None:
        """Forget all of them."""


class LoopDisks(Disks):
    """Volumes and snapshots as files of a sandbox's folder. One that has none yet has never been written to."""

    def __init__(self, folder: Path) -> None:
        """Take the sandbox's folder."""
        self._folder = folder / "volumes"

    def copy(self, source: str, target: str) -> None:
        """Copy the file, while nothing writes to it: a snapshot is of one moment."""
        if not self._path(source).exists():
            return
        with frozen(find_loop(self._path(source))):
            _run("cp", "--sparse=always", "--reflink=auto", str(self._path(source)), str(self._path(target)))

    def grow(self, volume_id: str, gigabytes: int) -> None:
        """Grow the file, and tell the kernel."""
        path = self._path(volume_id)
        if not path.exists() or path.stat().st_size >= gigabytes * GIB:
            return
        os.truncate(path, gigabytes * GIB)
        if (number := find_loop(path)) is not None:
            _run("losetup", "--set-capacity", f"/dev/loop{number}")

    def attach(self, volume_id: str, gigabytes: int) -> int:
        """Return the number of the loop device that is this volume, which is made where it is none yet.

        Raises:
            SandboxError: this user may not, or the kernel has no loop devices.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(volume_id)
        path.touch(mode=0o600)
        self.grow(volume_id, gigabytes)
        number = find_loop(path)
        for _ in range(TRIES):
            if number is not None:
                return number
            free = _find_free()
            with suppress(SandboxError):  # another process may have taken it
                _run("losetup", f"/dev/loop{free}", str(path))
            number = find_loop(path)
        raise SandboxError(f"the volume {volume_id} cannot be attached", "see that `losetup --find` names a device")

    def detach(self, volume_id: str) -> None:
        """Let go of the loop device, and wait until the kernel has: who attaches it next must see what was written.

        Raises:
            SandboxError: an instance still has it mounted.
        """
        deadline = time.monotonic() + RELEASE_SECONDS
        while self._let_go(volume_id):
            if time.monotonic() > deadline:
                raise SandboxError(f"the volume {volume_id} is still in use", "unmount it in the instance first")
            time.sleep(0.05)

    def remove(self, name: str) -> None:
        """Remove the file. The kernel lets go of its loop device when the last who has it mounted ends."""
        self._let_go(name)
        self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all files, and leave no loop device behind."""
        for path in self._folder.glob("*"):
            self.remove(path.name)

    def _let_go(self, name: str) -> bool:
        """Ask the kernel to let go of a loop device; answer whether there was one."""
        number = find_loop(self._path(name))
        if number is not None:
            with suppress(SandboxError):  # gone in this moment
                _run("losetup", "--detach", f"/dev/loop{number}")
        return number is not None

    def _path(self, name: str) -> Path:
        return self._folder / name


def find_loop(path: Path) -> int | None:
    """Return the number of the loop device of a file; None where it has none, or does not exist."""
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            if backing.read_text(encoding="utf-8").strip() == str(path):
                return int(backing.parts[3].removeprefix("loop"))
    return None


@contextmanager
def frozen(number: int | None) -> Iterator[None]:
    """Hold back what is written to the file systems of a loop device, whichever machine has mounted them."""
    with ExitStack() as stack:
        for place in _find_mounts(number) if number is not None else ():
            handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, handle)
            try:
                fcntl.ioctl(handle, _FREEZE, 0)
            except OSError as error:
                if error.errno != errno.EBUSY:  # somebody else holds it already
                    raise
            else:
                stack.callback(fcntl.ioctl, handle, _THAW, 0)
        yield


def _find_mounts(number: int) -> list[str]:
    """Return one place at which the file system of a loop device can be reached, none where nobody has mounted it."""
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        with suppress(OSError):
            for line in table.read_text(encoding="utf-8").splitlines():
                fields = line.split()
                if fields[2] == f"{_MAJOR}:{number}" and fields[3] == "/":
                    return [f"{table.parent}/root{fields[4]}"]
    return []


def _find_free() -> int:
    """Return the number of a loop device that nobody uses, and see to its node."""
    try:
        handle = os.open(_CONTROL, os.O_RDWR)
    except OSError as error:
        raise SandboxError(
            f"the sandbox's volumes need loop devices, and {_CONTROL} says: {error.strerror}",
            "run the command as root, and on a kernel with the module loop",
        ) from error
    try:
        number = fcntl.ioctl(handle, _GET_FREE)
    finally:
        os.close(handle)
    with suppress(FileExistsError):
        os.mknod(f"/dev/loop{number}", 0o60600, os.makedev(_MAJOR, number))
    return number


def _run(*command: str) -> None:
    done = subprocess.run(  # noqa: S603 - programs of the system, with arguments made here
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SandboxError(f"{command[0]} failed: {done.stderr.strip()}", "see that the disk has room")
