"""What is done inside a notebook's container, by its own Python and as its own user. Nothing but the standard library.

The modules of the host hand the text of this file to `python3 -I -c`, with an action and its arguments behind it. What
it answers comes from a student's machine, and nobody may trust it. The controller uses `find_digest` on its own copies.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tarfile
import tempfile
from pathlib import Path

SENT = ".local/share/dstk/sent.json"
"""In the home: the sums of the files as they were sent, so that an edit can be told from an older version."""
NAMES = 100
"""Names that are told of each kind; the rest is counted."""
CHUNK = 1 << 20
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


def find_entries(root, excluded=()):
    """Yield name below the root, path, kind (file, folder, link or other) and size of all that is there, sorted."""
    waiting = [("", os.fspath(root))]
    while waiting:
        name, path = waiting.pop()
        inner = []
        try:
            status = os.lstat(path)
            kind = KINDS.get(stat.S_IFMT(status.st_mode), "other")
            if kind == "folder":
                inner = sorted((below.name for below in Path(path).iterdir()), key=os.fsencode, reverse=True)
        except FileNotFoundError:
            continue
        except OSError:
            kind = "other"
        yield name, path, kind, status.st_size
        for part in inner:
            below = f"{name}/{part}" if name else part
            if part not in excluded and below not in excluded:
                waiting.append((below, f"{path}/{part}"))


def open_file(path):
    """Open a regular file and nothing else, however quickly somebody puts another thing in its place."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is not a file")
    return os.fdopen(handle, "rb")


def find_sum(path):
    """Answer the SHA-256 of a file; empty where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_file(path) as file:
            while data := file.read(CHUNK):
                digest.update(data)
    except OSError:
        return ""
    return digest.hexdigest()


def find_digest(root):
    """Answer one sum of the names and contents of all files and folders; empty where nothing is there."""
    if not os.path.lexists(root):
        return ""
    digest = hashlib.sha256()
    for name, path, kind, _ in find_entries(root):
        found = find_sum(path) if kind == "file" else kind
        if kind in ("file", "folder") and found:
            digest.update(os.fsencode(name) + b"\0" + found.encode() + b"\0")
    return digest.hexdigest()


class Steady:
    """A file that has the length it had when it was looked at, whatever a kernel does to it meanwhile."""

    def __init__(self, file):
        """Take the open file."""
        self.file = file

    def read(self, size):
        """Read so much, with zeros where the file has become shorter."""
        data = self.file.read(size)
        return data + b"\0" * (size - len(data))


def gather(path, prefix, known, limit, excluded, marks):
    """Write a line that says what is there, and below it a tar of it, where it is not known already.

    `path` counts from the home, `prefix` is its name in the tar. With `marks`, what cannot be packed is a FIFO there.
    The line has a state: missing, unchanged, large or fetched.
    """
    if not os.path.lexists(path) or Path(path).is_symlink():
        return say(state="missing")
    entries = list(find_entries(path, excluded))
    size = sum(size for _, _, kind, size in entries if kind == "file")
    if size > limit:
        return say(state="large", size=size)
    if known and find_digest(path) == known:
        return say(state="unchanged")
    say(state="fetched")
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, place, kind, _ in entries:
            with contextlib.suppress(FileNotFoundError):
                add(tar, f"{prefix}/{name}" if name else prefix, place, kind, marks)
    return None


def add(tar, name, path, kind, marks):
    """Put one entry into a tar, or its mark where it cannot be read or is no file, folder or link."""
    status = os.lstat(path)
    info = tarfile.TarInfo(name)
    info.mtime, info.mode = int(status.st_mtime), stat.S_IMODE(status.st_mode) & 0o777
    info.uid, info.gid = status.st_uid, status.st_gid
    info.type = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}.get(kind, tarfile.FIFOTYPE)
    if kind == "link":
        info.linkname = os.fspath(Path(path).readlink())
    elif kind == "file":
        with contextlib.suppress(PermissionError), open_file(path) as file:
            info.type, info.size = tarfile.REGTYPE, os.fstat(file.fileno()).st_size
            tar.addfile(info, Steady(file))
            return
    if marks or info.type != tarfile.FIFOTYPE:
        tar.addfile(info)


def receive(folder, overwrite):
    """Put the files of the tar on standard input below a folder of the home, never over what was edited there."""
    known = read_sent()
    told = {"sent": [], "kept": [], "unchanged": []}
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for member in tar:
            target = os.path.normpath(f"{folder or '.'}/{member.name}")
            try:
                kind = place(tar, member, target, known, overwrite)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                kind = "kept"
            if kind:
                told[kind].append(target)
    with contextlib.suppress(OSError):
        Path(SENT).parent.mkdir(parents=True, exist_ok=True)
        replace(SENT, 0o600, lambda file: file.write(json.dumps(known).encode()))
    counts = {kind: len(names) for kind, names in told.items()}
    say(counts=counts, **{kind: names[:NAMES] for kind, names in told.items()})


def read_sent():
    """Answer the sums of what was sent, by path; what a student has spoilt counts as nothing."""
    try:
        with open_file(SENT) as file:
            known = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def place(tar, member, target, known, overwrite):
    """Put one member of a tar into its place, and answer what became of it."""
    if member.isdir():
        Path(target).mkdir(parents=True, exist_ok=True)
        return ""
    wanted, there = member.pax_headers["dstk.sha256"], find_sum(os.path.realpath(target))
    if there == wanted:
        known[target] = wanted
        return "unchanged"
    if os.path.lexists(target) and not overwrite and (not there or there != known.get(target)):
        return "kept"
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    replace(target, member.mode & 0o755 | 0o600, lambda file: shutil.copyfileobj(tar.extractfile(member), file))
    known[target] = wanted
    return "sent"


def replace(target, mode, write):
    """Write a file whole, or not at all."""
    handle, temporary = tempfile.mkstemp(prefix=".dstk-", dir=Path(target).parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink()
        raise


def say(**answer):
    """Answer one line of JSON."""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    arguments = json.loads(sys.argv[2])
    try:
        {"gather": gather, "receive": receive}[sys.argv[1]](**arguments)
    except OSError as error:
        sys.exit(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
