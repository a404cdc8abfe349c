"""One host: what it must be like, and how it can be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: One that is rebooting has ended by its own `reboot` and waits to be started again.
State = Literal["absent", "booting", "running", "exited", "rebooting"]


@dataclass(frozen=True)
class Disk:
    """A volume that a machine has: its id, its name below /dev, and its size in GB."""

    volume_id: str
    node: str
    gigabytes: int


@dataclass(frozen=True)
class HostSpec:
    """One instance: what its metadata service would tell it at its first boot."""

    instance_id: str
    public_keys: tuple[str, ...]
    hostname: str
    user_data: str = ""
    disks: tuple[Disk, ...] = ()
    #: The image of the account's own that it begins with; empty is a fresh Ubuntu.
    image: str = ""
    #: What its metadata service tells, by path.
    metadata: Mapping[str, str] = field(default_factory=dict)
