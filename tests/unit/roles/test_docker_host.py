from __future__ import annotations

import json
from collections.abc import Callable

import pytest

Filters = dict[str, Callable[..., object]]


# what the kernel shows on a t2.micro (1 GiB), a t3.small (2 GiB) and a t3.medium (4 GiB)
@pytest.mark.parametrize(("shown", "swap"), [(957, 2048), (1910, 0), (3800, 0)])
def test_auto_swap_is_for_machines_below_two_gib(docker_host: Filters, shown: int, swap: int) -> None:
    assert docker_host["docker_host_swap_megabytes"]("auto", shown) == swap


@pytest.mark.parametrize("wanted", [0, 512, "512"])
def test_a_number_of_megabytes_is_taken_whatever_the_memory(docker_host: Filters, wanted: object) -> None:
    assert docker_host["docker_host_swap_megabytes"](wanted, 957) == int(str(wanted))


def machine(system: str = "Ubuntu", architecture: str = "x86_64", code: int = 0) -> dict[str, object]:
    return {"system": {"id": system, "architecture": architecture}, "boot": {"code": code, "said": "status: error"}}


@pytest.mark.parametrize("fit", [machine(), machine("Debian", "aarch64"), machine(code=2)])
def test_ubuntu_and_debian_are_served(docker_host: Filters, fit: dict[str, object]) -> None:
    assert docker_host["docker_host_mistake"](fit, "i-1", "auto") == ""


@pytest.mark.parametrize(
    ("unfit", "swap", "said"),
    [
        (machine("Fedora"), "auto", "i-1 runs Fedora"),
        (machine(architecture="riscv64"), "auto", "on riscv64"),
        (machine(code=1), "auto", "cloud-init did not finish on i-1: status: error"),
        (machine(), "2G", 'swap_size is "2G"'),
    ],
)
def test_what_cannot_be_served_is_said_with_its_remedy(
    docker_host: Filters, unfit: dict[str, object], swap: str, said: str
) -> None:
    message = str(docker_host["docker_host_mistake"](unfit, "i-1", swap))
    assert (said in message, message.splitlines()[-1][:5]) == (True, "Fix: ")


def test_settings_make_a_file_where_there_is_none(docker_host: Filters) -> None:
    assert json.loads(str(docker_host["docker_host_merge_settings"]("", {"live-restore": True}))) == {
        "live-restore": True
    }


def test_settings_of_the_machine_are_kept(docker_host: Filters) -> None:
    there = '{"storage-driver": "overlay2", "log-opts": {"tag": "x", "max-size": "1g"}}'
    merged = docker_host["docker_host_merge_settings"](there, {"log-opts": {"max-size": "10m"}})
    assert json.loads(str(merged)) == {"storage-driver": "overlay2", "log-opts": {"tag": "x", "max-size": "10m"}}


def test_settings_put_twice_give_the_same_text(docker_host: Filters) -> None:
    once = str(docker_host["docker_host_merge_settings"]("", {"b": 1, "a": {"c": 2}}))
    assert docker_host["docker_host_merge_settings"](once, {"a": {"c": 2}, "b": 1}) == once
