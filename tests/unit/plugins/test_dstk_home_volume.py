from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.plugins import Load


@pytest.fixture
def volumes(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The functions, with folders of this test for a machine's devices and units."""
    module = load("module_utils/dstk_home_volume")
    monkeypatch.setattr(module, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(module, "UNITS", tmp_path / "units")
    (tmp_path / "dev" / "disk" / "by-id").mkdir(parents=True)
    return module


class Machine:
    """Programs that answer as told, by name, and remember what they were asked."""

    def __init__(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(module, "run", self.run)

    def run(self, *command: str, **_: Any) -> tuple[int, str, str]:
        self.asked.append(" ".join(command))
        return self.answers.get(command[0], (0, "", ""))


@pytest.fixture
def machine(volumes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(volumes, monkeypatch)


def add(volumes: ModuleType, name: str, content: bytes = b"", volume_id: str = "") -> Path:
    device: Path = volumes.DEVICES / name
    device.write_bytes(content.ljust(3 * volumes.EDGE, b"\0"))
    if volume_id:
        link = f"nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
        (volumes.DEVICES / "disk" / "by-id" / link).symlink_to(device)
    return device


def test_on_nitro_a_volume_is_found_by_its_id(volumes: ModuleType) -> None:
    add(volumes, "nvme2n1", volume_id="vol-02")
    device = add(volumes, "nvme1n1", volume_id="vol-01")
    assert volumes.find_device("vol-01", "/dev/sdf") == device


def test_on_xen_a_volume_is_found_by_where_it_is_attached(volumes: ModuleType) -> None:
    device = add(volumes, "xvdf")
    assert volumes.find_device("vol-01", "/dev/sdf") == device


def test_a_volume_that_is_not_there_is_not_found(volumes: ModuleType) -> None:
    add(volumes, "nvme1n1", volume_id="vol-01")
    assert volumes.find_device("vol-09", "/dev/sdz") is None


def test_the_root_disk_is_no_candidate(volumes: ModuleType) -> None:
    add(volumes, "nvme0n1", volume_id="vol-00")
    add(volumes, "nvme0n1p1")
    assert volumes.find_candidates() == []


def test_without_an_id_the_one_empty_volume_is_taken(volumes: ModuleType, machine: Machine) -> None:
    machine.answers["blkid"] = (2, "", "")
    add(volumes, "nvme1n1", b"something", volume_id="vol-01")
    empty = add(volumes, "nvme2n1", volume_id="vol-02")
    assert volumes.find_device("", "/dev/sdf") == empty


def test_of_several_empty_volumes_none_is_taken(volumes: ModuleType, machine: Machine) -> None:
    machine.answers["blkid"] = (2, "", "")
    add(volumes, "nvme1n1", volume_id="vol-01")
    add(volumes, "nvme2n1", volume_id="vol-02")
    with pytest.raises(volumes.VolumeError, match="may all be the volume"):
        volumes.find_device("", "/dev/sdf")


def test_an_empty_volume_gets_a_file_system_with_the_label(volumes: ModuleType, machine: Machine) -> None:
    machine.answers["blkid"] = (2, "", "")
    device = add(volumes, "nvme1n1")
    assert volumes.ensure_formatted(device) is True
    assert machine.asked[-1] == f"mkfs.xfs -q -L dstk-homes {device}"


def test_a_volume_with_homes_is_left_as_it_is(volumes: ModuleType, machine: Machine) -> None:
    machine.answers["blkid"] = (0, "LABEL=dstk-homes\nTYPE=xfs\n", "")
    assert volumes.ensure_formatted(add(volumes, "nvme1n1")) is False
    assert not any(asked.startswith("mkfs") for asked in machine.asked)


@pytest.mark.parametrize(
    ("blkid", "content", "said"),
    [
        ((0, "LABEL=photos\nTYPE=ext4\n", ""), b"", "carries ext4 with the label photos"),
        ((0, "PTTYPE=gpt\n", ""), b"", "carries gpt"),
        ((2, "", ""), b"something", "something that no program knows"),
        ((8, "", "ambivalent result"), b"", "ambivalent result"),
    ],
)
def test_what_carries_anything_is_never_formatted(
    volumes: ModuleType, machine: Machine, blkid: tuple[int, str, str], content: bytes, said: str
) -> None:
    machine.answers["blkid"] = blkid
    with pytest.raises(volumes.VolumeError, match=said):
        volumes.ensure_formatted(add(volumes, "nvme1n1", content))
    assert not any(asked.startswith("mkfs") for asked in machine.asked)


def test_homes_on_the_root_disk_are_not_hidden(volumes: ModuleType, machine: Machine, tmp_path: Path) -> None:
    homes = tmp_path / "srv"
    (homes / "ada").mkdir(parents=True)
    with pytest.raises(volumes.VolumeError, match="holds homes on the root disk"):
        volumes.ensure_mounted(add(volumes, "nvme1n1"), homes)
    assert "systemctl start" not in " ".join(machine.asked)


def test_docker_waits_for_the_homes_and_units_are_written_once(volumes: ModuleType, machine: Machine) -> None:
    homes = Path("/srv/dstk")
    assert (volumes.ensure_units(homes), volumes.ensure_units(homes)) == (True, False)
    dependent = volumes.UNITS / "docker.service.d" / "dstk-homes.conf"
    assert "RequiresMountsFor=/srv/dstk" in dependent.read_text()
    assert "What=/dev/disk/by-label/dstk-homes" in (volumes.UNITS / "srv-dstk.mount").read_text()


def test_a_file_system_that_is_smaller_than_its_volume_grows(
    volumes: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.answers["xfs_growfs"] = (
        0,
        "data     =                       bsize=4096   blocks=2621440, imaxpct=25\n",
        "",
    )
    monkeypatch.setattr(volumes, "find_size", lambda _: 12 * 1024**3)
    assert volumes.ensure_grown(Path("/dev/x"), Path("/srv/dstk")) is True
    monkeypatch.setattr(volumes, "find_size", lambda _: 10 * 1024**3)
    assert volumes.ensure_grown(Path("/dev/x"), Path("/srv/dstk")) is False
