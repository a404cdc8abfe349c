"""Who sits where: a host's tags say who has its seats, and this decides who gets which. Pure Python, no AWS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

STUDENT_TAG = "dstk:student"
PLACEMENT_TAG = "dstk:placement"
HOST_TAG = "dstk:host"
SEAT_TAG = "dstk:seat:"
DEDICATED, SHARED = "dedicated", "shared"

MOST_SEATS = 40
"""Seats of a host are tags, of which AWS allows 50 a resource; ten are left for names and for other people's tags."""
HOST_MEMORY = 512
"""MB that the host itself needs: the system, Docker, the HTTPS entry."""
NOTEBOOK_MEMORY = 2048
"""MB for a notebook where `notebook_memory` is auto."""
NOTEBOOKS_PER_VCPU = 4
"""Notebooks to a vCPU where `notebook_cpus` is auto: students think more than they compute."""


@dataclass(frozen=True)
class Seat:
    """A student's place on a host, numbered from 1."""

    student: str
    seat: int
    identity: str = ""


@dataclass(frozen=True)
class Row:
    """Who wants a seat: login, identity, and the instance type where the class's will not do."""

    student: str
    identity: str = ""
    instance_type: str = ""


@dataclass(frozen=True)
class Host:
    """An instance as its tags tell of it."""

    id: str
    type: str
    tags: Mapping[str, str]

    @property
    def seats(self) -> list[Seat]:
        """Its seats, by number."""
        return find_seats(self.tags)

    @property
    def placement(self) -> str:
        """Whether it is one student's or several students'."""
        return find_placement(self.tags)

    @property
    def number(self) -> int:
        """The number of a shared host; 0 where it has none."""
        text = self.tags.get(HOST_TAG, "")
        return int(text) if text.isdigit() else 0


@dataclass
class Settlement:
    """Who sits where: `kept` and `given` name the seats by host, `unseated` need new hosts."""

    kept: dict[str, list[Seat]] = field(default_factory=dict)
    given: dict[str, list[Seat]] = field(default_factory=dict)
    unseated: list[Row] = field(default_factory=list)
    gone: list[tuple[str, Seat]] = field(default_factory=list)
    doubles: list[tuple[str, Seat]] = field(default_factory=list)
    conflicts: list[tuple[Row, str]] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)


def find_seats(tags: Mapping[str, str]) -> list[Seat]:
    """Answer the seats that a host's tags name, by number; a host of a lone student is that student's seat 1."""
    seats = []
    for key, value in tags.items():
        number = key.removeprefix(SEAT_TAG)
        if key.startswith(SEAT_TAG) and number.isdigit() and value.strip():
            student, _, identity = value.strip().partition(" ")
            seats.append(Seat(student, int(number), identity.strip()))
    if not seats and tags.get(STUDENT_TAG):
        seats.append(Seat(tags[STUDENT_TAG], 1))
    return sorted(seats, key=lambda seat: seat.seat)


def find_placement(tags: Mapping[str, str]) -> str:
    """Answer a host's placement; what an earlier dstk made is dedicated."""
    return tags.get(PLACEMENT_TAG) or DEDICATED


def seat_key(number: int) -> str:
    """Answer the tag of a seat."""
    return f"{SEAT_TAG}{number:02d}"


def host_tags(deployment: str, placement: str, seats: Sequence[Seat], *, number: int = 0) -> dict[str, str]:
    """Answer the tags that give a host its seats, and with them its name."""
    tags = {PLACEMENT_TAG: placement}
    tags.update({seat_key(seat.seat): f"{seat.student} {seat.identity}".strip() for seat in seats})
    if placement == DEDICATED:
        return {**tags, STUDENT_TAG: seats[0].student, "Name": f"{deployment}-{seats[0].student}"}
    return {**tags, HOST_TAG: f"{number:02d}", "Name": f"{deployment}-host{number:02d}"}


def find_capacity(
    *,
    placement: str,
    vcpus: int,
    memory_mib: int,
    students_per_host: str = "auto",
    notebook_memory: str = "auto",
    notebook_cpus: str = "auto",
) -> int:
    """Answer how many seats a host of a type has.

    Args:
        placement: dedicated hosts have one.
        vcpus: processors of the type, as DescribeInstanceTypes says.
        memory_mib: its memory in MiB, from the same source.
        students_per_host: the number, or auto for what fits.
        notebook_memory: MB of a notebook, or auto.
        notebook_cpus: processors of a notebook, or auto.
    """
    if placement == DEDICATED:
        return 1
    if str(students_per_host) not in ("auto", "0", ""):
        return min(int(students_per_host), MOST_SEATS)
    memory = _number(notebook_memory) or NOTEBOOK_MEMORY
    cpus = _number(notebook_cpus) or 1 / NOTEBOOKS_PER_VCPU
    fitting = min(math.floor((memory_mib - HOST_MEMORY) / memory), math.floor(vcpus / cpus))
    return max(1, min(fitting, MOST_SEATS))


def _number(text: str) -> float:
    """Read a number; auto is 0."""
    return 0.0 if str(text) in ("auto", "") else float(text)


def settle(
    rows: Sequence[Row],
    hosts: Sequence[Host],
    *,
    placement: str,
    instance_types: Sequence[str],
    capacities: Mapping[str, int],
    limit: Iterable[str] = (),
) -> Settlement:
    """Decide who sits where. Nobody who has a seat is moved.

    Args:
        rows: the class.
        hosts: what is there, oldest first.
        placement: of seats that are given now.
        instance_types: the types that do for a row without one of its own, the wished one first.
        capacities: seats of a host, by type.
        limit: logins; only these get a seat that they do not have yet. Empty means all.
    """
    answer = Settlement()
    chosen = set(limit)
    waiting = [row for row in _find_their_seats(rows, hosts, answer) if not chosen or row.student in chosen]
    answer.conflicts = [(row, host) for row, host in answer.conflicts if not chosen or row.student in chosen]
    free = [host for host in hosts if not host.seats]
    if placement == SHARED:
        waiting = _fill_seats(waiting, hosts, answer, instance_types, capacities)
    while waiting and (host := _find_spare(waiting, free, instance_types)):
        free.remove(host)
        size = 1 if placement == DEDICATED else capacities.get(host.type, 1)
        takers = [row for row in waiting if host.type in _types(row, instance_types)][:size]
        answer.given[host.id] = [Seat(row.student, n, row.identity) for n, row in enumerate(takers, start=1)]
        waiting = [row for row in waiting if row not in takers]
    answer.unseated = waiting
    answer.spare = [host.id for host in free]
    return answer


def _find_their_seats(rows: Sequence[Row], hosts: Sequence[Host], answer: Settlement) -> list[Row]:
    """Note who has a seat, and answer the rows that have none, with the logins that they can have."""
    taken = [(host, seat) for host in hosts for seat in host.seats]
    owners: dict[int, Row] = {}
    by_identity = {row.identity: row for row in rows if row.identity}
    by_login = {row.student: row for row in rows}
    for place, (_, seat) in enumerate(taken):
        row = by_identity.get(seat.identity) if seat.identity else by_login.get(seat.student)
        if row is None:
            continue
        if row in owners.values():
            answer.doubles.append((taken[place][0].id, seat))
        else:
            owners[place] = row
    for place, (host, seat) in enumerate(taken):
        if place in owners:
            # what an earlier dstk tagged has no identity yet
            answer.kept.setdefault(host.id, []).append(replace(seat, identity=owners[place].identity))
        elif (host.id, seat) not in answer.doubles:
            answer.gone.append((host.id, seat))
    seated = [row for row in rows if row in owners.values()]
    return _find_logins([row for row in rows if row not in seated], seated, answer)


def _find_logins(rows: Sequence[Row], seated: Sequence[Row], answer: Settlement) -> list[Row]:
    """Answer the rows with logins that nobody has: two Adas keep theirs when the roster is sorted anew."""
    used = {seat.student for seats in answer.kept.values() for seat in seats}
    left = {seat.student: host for host, seat in answer.gone}
    wanted = {row.student for row in rows}
    unused = [row.student for row in seated if row.student not in used | wanted]
    found = []
    for row in rows:
        if row.student in left:
            answer.conflicts.append((row, left[row.student]))
            continue
        login = row.student
        if login in used:
            login = unused.pop(0) if unused else _count_on(login, used | wanted | set(left))
        used.add(login)
        found.append(replace(row, student=login))
    return found


def _count_on(login: str, used: set[str]) -> str:
    number = 2
    while f"{login}-{number}" in used:
        number += 1
    return f"{login}-{number}"


def _fill_seats(
    waiting: Sequence[Row],
    hosts: Sequence[Host],
    answer: Settlement,
    instance_types: Sequence[str],
    capacities: Mapping[str, int],
) -> list[Row]:
    """Give the free seats of shared hosts, and answer who is still waiting."""
    places = [
        (host, number)
        for host in sorted(hosts, key=lambda host: host.number)
        if host.seats and host.placement == SHARED
        for number in range(1, capacities.get(host.type, 0) + 1)
        if number not in {seat.seat for seat in host.seats}
    ]
    still = []
    for row in waiting:
        place = next((place for place in places if place[0].type in _types(row, instance_types)), None)
        if place is None:
            still.append(row)
            continue
        places.remove(place)
        host, number = place
        answer.given.setdefault(host.id, []).append(Seat(row.student, number, row.identity))
    return still


def _find_spare(waiting: Sequence[Row], free: Sequence[Host], instance_types: Sequence[str]) -> Host | None:
    """Answer a host without seats that does for one of those who are waiting."""
    return next((host for host in free if any(host.type in _types(row, instance_types) for row in waiting)), None)


def _types(row: Row, instance_types: Sequence[str]) -> Sequence[str]:
    """Answer the types that do for a row: its own wish has no alternative."""
    return (row.instance_type,) if row.instance_type else instance_types
