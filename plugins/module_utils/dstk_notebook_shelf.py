"""What comes from students, put down on the controller: whatever is in it, nothing is harmed and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

PARTIAL = ".dstk-partial"
"""Beside the students' folders: what is on its way. All of it may go."""
STALE_SECONDS = 86400
SUMS = "SHA256SUMS"
MOST_ENTRIES = 200_000
"""Entries of one student's archive; more would use up the controller's file system."""
NAMES = 20
"""Names that are told of what was left out; the rest is counted."""
ENDINGS = (".tar.gz", ".tar.zst")
CHUNK = 1 << 20
HEADER_BYTES = 1 << 16
FULL = (errno.ENOSPC, errno.EDQUOT)


class Entry(tarfile.TarInfo):
    """An entry of a tar from a student, without what takes memory as it is read: dstk's own tars have none of it."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        headers = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, *tarfile.GNU_TYPES)
        if self.type == tarfile.GNUTYPE_SPARSE or (self.type in headers and self.size > HEADER_BYTES):
            raise tarfile.ReadError("a header is too large")
        return super()._proc_member(tar)

    def _refuse_holes(self, *_: object) -> None:
        raise tarfile.ReadError("a file has holes")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_holes


class ShelfError(Exception):
    """What one student's archive cannot be, and what mends it."""

    def __init__(self, message: str, fix: str) -> None:
        """Take both, as people read them."""
        super().__init__(message)
        self.message, self.fix = message, fix


@contextlib.contextmanager
def open_partial(into: Path) -> Iterator[Path]:
    """Lend a folder of one's own beside the students' folders, closed to others, that is gone afterwards."""
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = into / PARTIAL
    partial.mkdir(mode=0o700, exist_ok=True)
    for old in partial.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=ensure_folder(partial)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            partial.rmdir()


def ensure_folder(path: Path) -> Path:
    """Make a folder, for its owner only where it is new, and answer it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def split_bundle(
    bundle: Path, folder: Path, sums: dict[str, str], ending: str = ".tar.gz"
) -> Iterator[tuple[str, Path]]:
    """Yield student and archive of a bundle, one after the other. Names are asked for, never taken from it."""
    with tarfile.open(bundle) as tar:
        for student in sums:
            archive = folder / f"{student}{ending}"
            member = tar.extractfile(tar.getmember(archive.name))
            if member is not None:
                with member, archive.open("xb") as file:
                    shutil.copyfileobj(member, file, CHUNK)
                archive.chmod(0o600)
                yield student, archive
                archive.unlink(missing_ok=True)


def check_sum(archive: Path, expected: str) -> None:
    """Raise ShelfError where an archive is not what the host sent."""
    if find_sum(archive) != expected:
        raise ShelfError("what arrived is not what the host sent", "run the same command again")


def find_sum(path: Path) -> str:
    """Answer the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()


def read_archive(archive: Path, visit: Callable[[tarfile.TarFile, tarfile.TarInfo], None]) -> int:
    """Read an archive to its end, and answer how many entries it has.

    Raises:
        ShelfError: it is broken, or has too many entries.
    """
    with gzip.open(archive) as stream:
        return read_tar(stream, visit)


def read_tar(stream: IO[bytes], visit: Callable[[tarfile.TarFile, tarfile.TarInfo], None] | None = None) -> int:
    """Read a stream that unpacks to a tar to its end, and answer how many entries it has.

    Raises:
        ShelfError: it is broken, or has too many entries.
    """
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=Entry) as tar:
            for member in tar:
                count += 1
                if count > MOST_ENTRIES:
                    raise ShelfError(f"there are more than {MOST_ENTRIES} files", "fetch a smaller folder")
                if visit:
                    visit(tar, member)
                # a stream keeps every entry it has seen
                tar.members = []
            # the sum of what is packed stands at its end
            while stream.read(CHUNK):
                pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError, RecursionError) as error:
        raise ShelfError(f"the archive is broken: {error}", "run the same command again") from error
    return count


def unpack(archive: Path, path: str, folder: Path) -> tuple[int, list[str], int]:
    """Unpack the files and folders of an archive that are `path` or lie below it.

    Links and devices stay out, and so does whatever leads elsewhere.

    Returns:
        How many files there are, names of what was left out, and how many these are.
    """
    wanted = PurePosixPath(path)
    files, left_out, missed = 0, [], 0

    def visit(tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        nonlocal files, missed
        name = PurePosixPath(member.name)
        inside = name == wanted or wanted in name.parents
        try:
            if not inside or ".." in name.parts or not (member.isreg() or member.isdir()):
                raise tarfile.FilterError
            tar.extract(tarfile.data_filter(member, str(folder)), folder, filter="data")
            files += member.isreg()
        except (tarfile.FilterError, OSError, ValueError) as error:
            if getattr(error, "errno", None) in FULL:
                raise ShelfError(f"there is no room here: {error}", "make room on this machine's disk") from error
            missed += 1
            if len(left_out) < NAMES:
                left_out.append(member.name[:200].encode("utf-8", "replace").decode())

    read_archive(archive, visit)
    return files, left_out, missed


def put_down(new: Path, place: Path) -> str:
    """Move something new into its place, whole; what is there is kept under the time, and that name is answered."""
    ensure_folder(place.parent)
    kept = ""
    if os.path.lexists(place):
        kept = find_free_name(place)
        place.rename(place.with_name(kept))
    new.rename(place)
    return kept


def find_free_name(place: Path) -> str:
    """Answer a name with the time in it that nothing has yet."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    double = next((ending for ending in ENDINGS if place.name.endswith(ending)), "")
    ending = double or (place.suffix if place.is_file() else "")
    stem = place.name.removesuffix(ending) if ending else place.name
    names = (f"{stem}.{stamp}{number}{ending}" for number in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not os.path.lexists(place.with_name(name)))


def write_sums(folder: Path, sums: dict[str, str]) -> None:
    """Write the sums of files into the list that `sha256sum -c` reads, which other processes write at the same time."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = folder / SUMS
        lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
        known = {line[66:]: line[:64] for line in lines if len(line) > 66} | sums
        handle, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{known[name]}  {name}\n" for name in sorted(known) if (folder / name).exists())
        Path(temporary).replace(place)
    finally:
        os.close(lock)
