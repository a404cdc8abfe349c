"""What comes from students, put down on the controller: hostile archives, earlier collections, lists of sums."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.plugins import Load

Fill = Callable[[tarfile.TarFile], None]


@pytest.fixture
def shelf(load: Load) -> ModuleType:
    return load("module_utils/dstk_notebook_shelf")


@pytest.fixture
def gather(load: Load) -> ModuleType:
    return load("action/dstk_notebook_files_gather")


def make_archive(folder: Path, fill: Fill) -> Path:
    archive = folder / "ada.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        fill(tar)
    return archive


def add(tar: tarfile.TarFile, name: str, data: bytes = b"1\n", **fields: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data) if info.isreg() else None)


def add_all(*names: str) -> Fill:
    def fill(tar: tarfile.TarFile) -> None:
        for name in names:
            add(tar, name)

    return fill


def find_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../escaped", {}),
        ("hw/../../escaped", {}),
        ("/tmp/escaped", {}),  # noqa: S108 - a name in an archive
        ("elsewhere/file", {}),
        ("hw/link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("hw/link", {"type": tarfile.SYMTYPE, "linkname": "file"}),
        ("hw/link", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),
        ("hw/null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("hw/disk", {"type": tarfile.BLKTYPE}),
        ("hw/pipe", {"type": tarfile.FIFOTYPE}),
        (f"hw/{'x' * 300}", {}),
    ],
)
def test_what_does_not_belong_stays_out_and_is_named(
    name: str, fields: dict[str, Any], shelf: ModuleType, tmp_path: Path
) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "hw/file")
        add(tar, name, b"", **fields)

    archive = make_archive(tmp_path, fill)
    room = tmp_path / "room" / "inner"
    room.mkdir(parents=True)
    files, left_out, count = shelf.unpack(archive, "hw", room)
    assert (files, count, left_out) == (1, 1, [name[:200]])
    assert find_files(tmp_path / "room") == {"inner/hw/file"}


def test_a_link_cannot_lead_what_follows_elsewhere(shelf: ModuleType, tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "hw/out", b"", type=tarfile.SYMTYPE, linkname=str(tmp_path / "target"))
        add(tar, "hw/out/file")

    (tmp_path / "target").mkdir()
    (tmp_path / "room").mkdir()
    shelf.unpack(make_archive(tmp_path, fill), "hw", tmp_path / "room")
    assert find_files(tmp_path / "target") == set()


def test_nothing_is_unpacked_that_runs_as_somebody_else(shelf: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    shelf.unpack(make_archive(tmp_path, lambda tar: add(tar, "hw", mode=0o6777)), "hw", tmp_path / "room")
    assert stat.S_IMODE((tmp_path / "room/hw").stat().st_mode) & 0o6022 == 0


def test_names_with_line_ends_and_other_scripts_arrive(shelf: ModuleType, tmp_path: Path) -> None:
    names = {"hw/zwei\nZeilen", "hw/雪", os.fsdecode(b"hw/\xff")}
    (tmp_path / "room").mkdir()
    shelf.unpack(make_archive(tmp_path, add_all(*names)), "hw", tmp_path / "room")
    assert find_files(tmp_path / "room") == names


def test_a_header_that_would_fill_the_memory_is_refused(shelf: ModuleType, tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("hw")
        info.type, info.size = tarfile.XHDTYPE, 1 << 20
        tar.addfile(info, io.BytesIO(b"0" * (1 << 20)))

    with pytest.raises(shelf.ShelfError, match="too large"):
        shelf.unpack(make_archive(tmp_path, fill), "hw", tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: b"no archive", lambda data: b""])
def test_a_broken_archive_does_not_count(damage: Callable[[bytes], bytes], shelf: ModuleType, tmp_path: Path) -> None:
    archive = make_archive(tmp_path, lambda tar: add(tar, "ada/file", b"x" * 100_000))
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(shelf.ShelfError):
        shelf.read_archive(archive, lambda _tar, _member: None)


def test_an_archive_with_too_many_entries_is_refused(
    shelf: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MOST_ENTRIES", 2)
    archive = make_archive(tmp_path, add_all("hw/1", "hw/2", "hw/3"))
    with pytest.raises(shelf.ShelfError, match="more than 2 files"):
        shelf.unpack(archive, "hw", tmp_path)


def keep(gather: ModuleType, tmp_path: Path, text: bytes) -> dict[str, Any]:
    """Collect one version of a student's homework."""
    archive = make_archive(tmp_path, lambda tar: add(tar, "hw/answer", text))
    with gather.shelf.open_partial(tmp_path / "collected") as partial:
        answer: dict[str, Any] = gather.keep_files(archive, "hw", tmp_path / "collected/ada", partial)
        return answer


def test_an_earlier_collection_is_kept_beside_a_newer_one(gather: ModuleType, tmp_path: Path) -> None:
    keep(gather, tmp_path, b"first\n")
    answer = keep(gather, tmp_path, b"second\n")
    student = tmp_path / "collected/ada"
    assert (student / "hw/answer").read_text() == "second\n"
    assert (student / answer["earlier"] / "answer").read_text() == "first\n"


def test_two_collections_of_one_second_are_both_kept(gather: ModuleType, tmp_path: Path) -> None:
    for number in range(4):
        keep(gather, tmp_path, f"{number}\n".encode())
    texts = {path.read_text() for path in (tmp_path / "collected/ada").rglob("answer")}
    assert texts == {"0\n", "1\n", "2\n", "3\n"}


def test_the_same_again_changes_nothing(gather: ModuleType, tmp_path: Path) -> None:
    keep(gather, tmp_path, b"first\n")
    assert keep(gather, tmp_path, b"first\n")["state"] == "unchanged"
    assert find_files(tmp_path / "collected") == {"ada/hw/answer"}


def test_what_is_collected_is_closed_to_others(gather: ModuleType, tmp_path: Path) -> None:
    keep(gather, tmp_path, b"first\n")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("collected", "collected/ada")]
    assert modes == [0o700, 0o700]


def test_what_a_killed_run_left_goes_after_a_day(shelf: ModuleType, tmp_path: Path) -> None:
    old = tmp_path / ".dstk-partial" / "old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    with shelf.open_partial(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def take_home(gather: ModuleType, folder: Path, text: bytes) -> dict[str, Any]:
    archive = make_archive(folder, lambda tar: add(tar, "ada/file", text))
    # the time in gzip's header is not what differs
    archive.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes()), mtime=0))
    archive.chmod(0o600)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    answer: dict[str, Any] = gather.keep_archive(archive, folder / "takehome", digest)
    return answer


def test_the_sums_are_what_sha256sum_checks(gather: ModuleType, tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        take_home(gather, tmp_path, text)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "takehome", capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout.count(": OK")) == (0, 2)


def test_an_archive_is_closed_to_others(gather: ModuleType, tmp_path: Path) -> None:
    answer = take_home(gather, tmp_path, b"first")
    files = [Path(answer["path"]), tmp_path / "takehome/SHA256SUMS"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]


def test_an_archive_that_is_not_what_was_sent_is_refused(shelf: ModuleType, tmp_path: Path) -> None:
    archive = make_archive(tmp_path, lambda tar: add(tar, "ada/file"))
    with pytest.raises(shelf.ShelfError, match="not what the host sent"):
        shelf.check_sum(archive, "0" * 64)
