"""Checks of sizes: whether a person gets the memory and the CPU time that their notebook wants. They only warn."""

from __future__ import annotations

from collections.abc import Sequence

from dstk_runner.config import Config
from dstk_runner.needs import Kind, Need
from dstk_runner.project import load_seats
from dstk_runner.results import Check

__all__ = ["check_credits", "check_memory"]

_SMALL_MEMORY = 2048
"""MiB. The image's JupyterLab with one Python kernel and pandas takes about 0.5 GiB, R or Julia beside it 1 more."""

_SMALL_SEATS = {"base-notebook": 512, "minimal-notebook": 512, "scipy-notebook": 1024, "r-notebook": 1024}
"""MiB for one person, by the image; the others bring two or three languages, or what learns."""
_SMALL_SEAT = 1536

_MANY_BURSTABLE = 10


def check_memory(config: Config, kinds: Sequence[Kind], need: Need) -> list[Check]:
    """Compare what a person gets with what the image wants, and what all get with what a host has."""
    seats = load_seats()
    if config.notebook_memory != "auto":
        size = int(config.notebook_memory)
    elif config.placement == seats.SHARED:
        size = seats.NOTEBOOK_MEMORY
    else:
        return [
            Check(
                name="memory",
                status="warn",
                message=f"{kind.name} has {kind.memory / 1024:g} GiB, little for the notebook image: "
                "swapping makes it slow",
                fix="instance_type: t3.medium (4 GiB)",
            )
            for kind in kinds
            if kind.memory < _SMALL_MEMORY
        ]
    checks = []
    images = {config.notebook_image, *(member["image"] for member in config.members if member["image"])}
    for image in sorted(images):
        name = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
        least = _SMALL_SEATS.get(name, _SMALL_SEAT)
        if size < least:
            message = f"a notebook may use {size} MB, and {name} wants {least}: its kernels will be killed"
            checks.append(Check(name="memory", status="warn", message=message, fix=f"notebook_memory: {least}"))
    for kind in kinds:
        wanted = need.seats[kind.name] * size + seats.HOST_MEMORY
        if wanted > kind.memory:
            count = need.seats[kind.name]
            who = f"{count} notebooks" if count > 1 else "a notebook"
            message = f"{who} of {size} MB and the system need more than {kind} has"
            fix = "fewer students_per_host, less notebook_memory, or a larger instance_type"
            checks.append(Check(name="memory", status="warn", message=message, fix=fix))
    return checks


def check_credits(config: Config, kinds: Sequence[Kind], need: Need) -> list[Check]:
    """Warn of burstable types: by themselves, where many run one lab at once, and where several people share one."""
    checks = []
    for kind in (kind for kind in kinds if kind.burstable):
        count = need.hosts.get(kind.name, 0)
        if config.placement == "shared":
            message = f"several people share the CPU credits of a burstable {kind.name}, and a lab uses them up"
        elif count > _MANY_BURSTABLE:
            message = f"{count} burstable {kind.name} that run one lab at once exhaust their CPU credits"
        else:
            message = f"{kind.name} is burstable: steady work is slowed down once its CPU credits are used up"
        fix = "instance_type: m7i-flex.large for steady work"
        checks.append(Check(name="cpu", status="warn", message=message, fix=fix))
    return checks
