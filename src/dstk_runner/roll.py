"""Who of the class sits where, and who has gone, by the tags of the hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dstk_runner.config import Config
from dstk_runner.hosts import Host, find_hosts
from dstk_runner.project import load_schedule, load_seats

__all__ = ["Roll", "call_roll", "read_roll"]


@dataclass(frozen=True)
class Roll:
    """The class as its seats know it.

    `students` are logins in the order of the roster: a seat keeps the login that it was given, whatever becomes of
    the roster. `hosts` has the students of each instance, `gone` the instance of each who is no longer in the roster,
    `until` the end of the deployment (ISO 8601, UTC), empty where no host tells of it.
    """

    students: tuple[str, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    until: str = ""

    def find_place(self, student: str | None) -> tuple[int, str]:
        """Return what to sort by: what concerns all first, then the roster's order, then who has gone, by name."""
        if student is None:
            return -1, ""
        known = student in self.students
        return (self.students.index(student), "") if known else (len(self.students), student)


def call_roll(config: Config) -> Roll:
    """Ask AWS who sits where.

    Raises:
        DstkError: AWS could not be asked.
    """
    return read_roll(config.members, find_hosts(config))


def read_roll(members: tuple[Mapping[str, str], ...], hosts: tuple[Host, ...]) -> Roll:
    """Compare a class with the seats of its hosts."""
    seats = load_seats()
    rows = [seats.Row(row["student"], row["identity"]) for row in members]
    there = [seats.Host(host.instance_id, host.type, host.tags) for host in hosts]
    # whoever has no seat gets none here, so neither type nor capacity is asked for
    settled: Any = seats.settle(rows, there, placement=seats.DEDICATED, instance_types=(), capacities={})
    logins = {seat.identity: seat.student for kept in settled.kept.values() for seat in kept}
    logins |= {row.identity: row.student for row in settled.unseated}
    return Roll(
        students=tuple(logins.get(row["identity"], row["student"]) for row in members),
        hosts={host.instance_id: host.students for host in hosts},
        gone={seat.student: host for host, seat in settled.gone},
        until=max((host.tags.get(load_schedule().UNTIL_TAG, "") for host in hosts), default=""),
    )
