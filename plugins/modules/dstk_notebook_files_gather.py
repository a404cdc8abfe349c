#!/usr/bin/python
"""Module: what lies in the homes of a host's notebooks is in one file on the host."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils import dstk_notebook_inside
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_exec import Lines, NotebookError, run_program, serve
from ansible.module_utils.dstk_notebook_shelf import ShelfError, read_tar

DOCUMENTATION = """
module: dstk_notebook_files_gather
short_description: What lies in the homes of a host's notebooks is in one file on the host
version_added: "0.1.0"
author: dstk
description:
  - Reads a file or folder of every home at once, as the notebook's user, and packs it as C(<student>.tar.gz) or
    C(<student>.tar.zst) into one tar that only the login user reads.
  - The action of the same name carries that to the controller, checks it, and puts it into O(into).
options:
  notebooks:
    description: One mapping a notebook, with student and container.
    type: list
    elements: dict
    required: true
  path:
    description: What to read, counted from the home; a dot is the whole home.
    type: str
    default: "."
  known:
    description: Digests by student of what the controller has; what is the same there is not fetched.
    type: dict
    default: {}
  excluded:
    description: Names, or paths below O(path), that are left out.
    type: list
    elements: str
    default: []
  limit:
    description: Bytes that one student's files may have.
    type: int
    default: 10000000000
  timeout:
    description: Seconds that one notebook may take.
    type: float
    default: 3600
  compression:
    description: C(gzip), or C(zstd), whose program the host has to have. What it made is read to its end.
    type: str
    choices: [gzip, zstd]
    default: gzip
  into:
    description: For the action, the folder on the controller.
    type: path
  form:
    description: For the action, whether O(into) gets files, or an archive a student with its checksum.
    type: str
    choices: [files, archives]
    default: files
"""

EXAMPLES = """
- name: The homework is here
  dstk_notebook_files_gather:
    notebooks: [{student: ada, container: dstk-ada}]
    path: hw1
    into: collected
"""

RETURN = """
answers:
  description: By student, the state, which is missing, unchanged or fetched, and what the action has made of it.
  type: dict
  returned: always
failures:
  description: By student, message and fix.
  type: dict
  returned: always
sums:
  description: SHA-256 of each student's archive.
  type: dict
  returned: without the action
entries:
  description: With C(zstd), how many entries each student's archive has, which was read to its end.
  type: dict
  returned: without the action
bundle:
  description: The tar that holds the archives; empty where there is none.
  type: str
  returned: without the action
"""

PLACE = "/var/tmp"  # noqa: S108 - each run makes a folder of its own there, by mkdtemp
"""On the disk, where `/tmp` may be memory."""
PREFIX, STALE_SECONDS = "dstk-gather-", 86400
OVERHEAD = 256 * 1024**2
"""Bytes that names and padding may add to a student's files."""
RESERVE = 512 * 1024**2
"""Bytes of the host's disk that stay free."""
STATES = ("missing", "unchanged", "fetched")


class Gzip:
    """What is written goes into a gzip file; the same files make the same bytes."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self.file = path.open("wb")
        self.gzip = gzip.GzipFile(filename="", mode="wb", fileobj=self.file, compresslevel=6, mtime=0)
        self.write = self.gzip.write

    def close(self) -> None:
        """Finish the file."""
        self.gzip.close()
        self.file.close()


class Zstd:
    """What is written goes through the host's own zstd: its Python has none before 3.14."""

    def __init__(self, path: Path) -> None:
        """Start it."""
        # beside the notebooks, so with one thread each
        command = ["zstd", "--quiet", "-T1", "-o", str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - fixed words, and a path of ours
        assert self.process.stdin is not None  # noqa: S101 - Popen was asked for it
        self.write = self.process.stdin.write

    def close(self) -> None:
        """Finish the file."""
        assert self.process.stdin is not None  # noqa: S101 - Popen was asked for it
        self.process.stdin.close()
        if self.process.wait():
            raise NotebookError("the archive could not be compressed", "see that the host's disk has room")


class Archive:
    """A student's tar on its way into a file."""

    def __init__(self, path: Path, limit: int, compression: str = "gzip") -> None:
        """Open the file."""
        self.path, self.left = path, limit + OVERHEAD
        self.file = Zstd(path) if compression == "zstd" else Gzip(path)

    def add(self, data: bytes) -> None:
        """Take more of the tar in.

        Raises:
            NotebookError: it is too much, for the limit or for the disk.
        """
        self.left -= len(data)
        if self.left < 0:
            raise explain_large()
        if shutil.disk_usage(self.path.parent).free < RESERVE:
            raise NotebookError("the host's disk has no room for the archive", "raise volume_size, or fetch less")
        self.file.write(data)

    def close(self) -> None:
        """Finish the file."""
        self.file.close()


def read_zstd(path: Path) -> int:
    """Read an archive to its end, and answer how many entries it has.

    Raises:
        NotebookError: it is broken.
    """
    command = ["zstd", "--quiet", "--decompress", "--stdout", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - fixed words, and a path of ours
        try:
            assert process.stdout is not None  # noqa: S101 - Popen was asked for it
            count = read_tar(process.stdout)
        except ShelfError as error:
            process.kill()
            raise NotebookError(error.message, error.fix) from error
    if process.returncode:
        raise NotebookError("the archive is broken", "run the same command again")
    return count


def explain_large() -> NotebookError:
    """Answer the failure of a student who has more than may be fetched."""
    return NotebookError("there is more than may be fetched", "raise notebook_files_limit (GB), or fetch less of it")


def make_folder() -> Path:
    """Make a folder that only the login user can enter, who carries its content away; what killed runs left goes."""
    for old in Path(PLACE).glob(f"{PREFIX}*"):
        if time.time() - old.lstat().st_mtime > STALE_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    os.chown(folder, int(os.environ.get("SUDO_UID", os.getuid())), -1)
    return folder


def gather_student(notebook: Mapping[str, Any], params: Mapping[str, Any], path: Path) -> str:
    """Fetch one student's files into an archive, and answer the state."""
    student, archive = notebook["student"], Archive(path, params["limit"], params["compression"])
    lines = Lines(archive.add)
    whole = params["path"] == "."
    arguments = {
        "path": params["path"],
        "prefix": student if whole else params["path"],
        "known": params["known"].get(student, ""),
        "limit": params["limit"],
        "excluded": params["excluded"],
        "marks": not whole,
    }
    try:
        run_program(
            notebook["container"],
            dstk_notebook_inside,
            "gather",
            arguments,
            on_output=lines.add,
            timeout=params["timeout"],
        )
        archive.close()
        state = lines.answer().get("state")
        if state == "large":
            raise explain_large()
        if state not in STATES:
            raise NotebookError("the notebook's answer makes no sense", "see what python3 is in the notebook")
        return str(state)
    finally:
        archive.close()


def gather_all(params: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fetch every student's files into one tar, and answer the module's result."""
    bundle, lock = folder / "bundle.tar", threading.Lock()
    sums: dict[str, str] = {}
    entries: dict[str, int] = {}
    zstd = params["compression"] == "zstd"
    owner = int(os.environ.get("SUDO_UID", os.getuid()))

    def work(notebook: Mapping[str, Any]) -> dict[str, Any]:
        student = notebook["student"]
        archive = folder / f"{student}.tar{'.zst' if zstd else '.gz'}"
        try:
            state = gather_student(notebook, params, archive)
            if state == "fetched":
                if zstd:
                    entries[student] = read_zstd(archive)
                digest = dstk_notebook_inside.find_sum(archive)
                with lock, tarfile.open(bundle, "a") as tar:
                    tar.add(archive, arcname=archive.name)
                sums[student] = digest
        finally:
            archive.unlink(missing_ok=True)
        return {"state": state}

    answers, failures = serve(params["notebooks"], work)
    if sums:
        bundle.chmod(0o600)
        os.chown(bundle, owner, -1)
    told = {"answers": answers, "failures": failures, "sums": sums, "entries": entries}
    return {**told, "bundle": str(bundle) if sums else ""}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "notebooks": {"type": "list", "elements": "dict", "required": True},
            "path": {"type": "str", "default": "."},
            "known": {"type": "dict", "default": {}},
            "excluded": {"type": "list", "elements": "str", "default": []},
            "limit": {"type": "int", "default": 10_000_000_000},
            "timeout": {"type": "float", "default": 3600},
            "compression": {"type": "str", "choices": ["gzip", "zstd"], "default": "gzip"},
            "into": {"type": "path"},
            "form": {"type": "str", "choices": ["files", "archives"], "default": "files"},
        },
    )
    folder = make_folder()
    result: dict[str, Any] = {}
    try:
        result = gather_all(module.params, folder)
    finally:
        if not result.get("bundle"):
            shutil.rmtree(folder, ignore_errors=True)
    module.exit_json(changed=bool(result["sums"]), **result)


if __name__ == "__main__":
    main()
