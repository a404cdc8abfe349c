"""What a class wants of its hosts, and what a run does for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_seats import Row, Seat
from ansible.module_utils.dstk_volumes import HomeVolume

LAUNCH = ("volume_size", "security_group_ids", "key_name", "instance_profile", "user_data", "spot")
"""What a launch takes as it was given."""


@dataclass(frozen=True)
class Wishes:
    """What a class wants, as the module dstk_hosts takes it."""

    deployment: str
    rows: Sequence[Row]
    limit: frozenset[str]
    placement: str
    types: Sequence[str]
    sizes: Mapping[str, str]
    images: Mapping[str, Mapping[str, Any]]
    subnets: Sequence[Mapping[str, str]]
    launch: Mapping[str, Any]
    timeout: float
    home_volume_size: str = "auto"

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Wishes:
        """Read the module's parameters."""
        people = [{key: str(row.get(key) or "") for key in Row.__annotations__} for row in given["students"]]
        return cls(
            deployment=given["deployment"],
            rows=[Row(**person) for person in people],
            limit=frozenset(given["limit"]),
            placement=given["placement"],
            types=list(dict.fromkeys([given["instance_type"], *given["instance_types"]])),
            sizes={key: given[key] for key in ("students_per_host", "notebook_memory", "notebook_cpus")},
            images=given["images"],
            subnets=given["subnets"],
            launch={key: given[key] for key in LAUNCH},
            timeout=given["timeout"],
            home_volume_size=str(given["home_volume_size"]),
        )

    @property
    def spot(self) -> bool:
        """Whether new hosts are spot instances."""
        return bool(self.launch.get("spot"))

    def includes(self, student: str) -> bool:
        """Answer whether this run is about a student."""
        return not self.limit or student in self.limit


@dataclass
class Work:
    """What a run does: the seats of each host, the tags that it lacks, and whom it cannot serve.

    `attach` are volumes of hosts that are gone, by the host that gets them; `volumes` the sizes, before and after, of
    those that grow; `tended` says whether any volume was changed; `ended` are hosts that AWS took back and that others
    stand in for.
    """

    seats: dict[str, list[Seat]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    launched: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, Explanation] = field(default_factory=dict)
    attach: dict[str, HomeVolume] = field(default_factory=dict)
    volumes: dict[str, tuple[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    tended: bool = False
    ended: list[str] = field(default_factory=list)

    def fail(self, students: Sequence[str], reason: Explanation) -> None:
        """Note why these students have no host."""
        self.failures.update(dict.fromkeys(students, reason))
