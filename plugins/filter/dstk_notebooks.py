"""Filters of the class: which of a host's seats are served in this run, and which hosts have one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

NOTEBOOK_MEMORY = 2048
NOTEBOOK_CPUS = 1
"""What a notebook that shares its host may take where nothing is said: MB, processors."""
SYSTEM_GB = 16
"""What homes leave of a disk: the system, the image, and the next one beside it."""
GB_A_SEAT = 10
"""What a volume with homes is made with for each seat, as dstk_volumes says."""
SEATS = 4
"""By how many the rest is divided at least on a shared host whose number of seats is not said."""


def parse_limit(limit: object) -> list[str]:
    """Answer the logins of a limit, a list or a text with commas; none is no limit."""
    names = limit.split(",") if isinstance(limit, str) else limit if isinstance(limit, Iterable) else []
    return [str(name).strip() for name in names if str(name).strip()]


def find_row(seat: Mapping[str, Any], rows: Iterable[Mapping[str, str]]) -> Mapping[str, str] | None:
    """Answer whose row of the class a seat belongs to; None where they have gone.

    The identity decides: somebody new may have the login of somebody who has gone. A seat that an earlier dstk gave
    has none, and there the login has to do.
    """
    identity = seat.get("identity")
    if identity:
        return next((row for row in rows if row.get("identity") == identity), None)
    return next((row for row in rows if row["student"] == seat["student"]), None)


def dstk_gone(seats: Iterable[Mapping[str, Any]], members: Iterable[Mapping[str, str]]) -> list[str]:
    """Answer the logins of a host's students who are not in the class any more."""
    rows = list(members)
    return [str(seat["student"]) for seat in seats if find_row(seat, rows) is None]


def dstk_host_notebooks(
    taken: Iterable[Mapping[str, Any]],
    members: Iterable[Mapping[str, str]],
    *,
    limit: object = None,
    image: str,
    port: int,
    shared: bool,
    memory: object = "auto",
    cpus: object = "auto",
    domain: str = "",
    home: object = "auto",
    disk: int = 30,
    seats: object = "auto",
    sudo: object = False,
    volume: object = "",
) -> list[dict[str, Any]]:
    """Answer the notebooks of a host that this run serves, as the role jupyter_container takes them.

    A seat whose student is not in the class has been left by a student who has gone: it is left alone.

    Args:
        taken: the seats of the host, with student, seat and identity.
        members: the class.
        limit: logins; none for all.
        image: the class's image; a row can have its own.
        port: the port of seat 1.
        shared: whether several sit on one host; on a host of one's own, auto is no limit.
        memory: MB, or ``auto``.
        cpus: processors, or ``auto``.
        domain: of the notebooks' names; where it is empty, they have none.
        home: GB of a home, or ``auto``: an equal part of the volume, else of the disk.
        disk: GB of the host's disk.
        seats: how many a shared host has, or ``auto``.
        sudo: whether students may become root in their containers.
        volume: GB of the volume with the homes, or ``auto``: 10 a seat; empty where there is none.
    """
    names, rows, taken, notebooks = parse_limit(limit), list(members), list(taken), []
    parts = 1 if not shared else max(SEATS, len(taken)) if str(seats) == "auto" else int(str(seats))
    size = int(str(home)) if str(home) != "auto" else find_part(str(volume), int(disk), parts)
    for seat in taken:
        row = find_row(seat, rows)
        if row is None or (names and not {row["student"], seat["student"]} & set(names)):
            continue
        notebooks.append(
            {
                "student": seat["student"],
                "seat": int(seat["seat"]),
                **find_place(seat, port=port, domain=domain),
                "image": row.get("image") or image,
                "memory": int(_limit(memory, NOTEBOOK_MEMORY if shared else 0)),
                "cpus": float(_limit(cpus, NOTEBOOK_CPUS if shared else 0)),
                "home": size,
                "sudo": str(sudo).lower() == "true",
            }
        )
    return notebooks


def find_part(volume: str, disk: int, parts: int) -> int:
    """Answer the GB of one of the equal parts of a volume with homes, or of what the system leaves of the root disk."""
    if volume == "auto":
        return GB_A_SEAT
    return max(1, (int(volume) if volume else disk - SYSTEM_GB) // parts)


def find_place(seat: Mapping[str, Any], *, port: int, domain: str) -> dict[str, Any]:
    """Answer the port of a seat behind the host's proxy, and the name it is reached by, empty where it has none."""
    return {"port": int(port) + int(seat["seat"]) - 1, "name": f"{seat['student']}.{domain}" if domain else ""}


def dstk_host_sites(seats: Iterable[Mapping[str, Any]], *, port: int, domain: str = "") -> list[dict[str, Any]]:
    """Answer all notebooks of a host as the role reverse_proxy takes them, also those that this run leaves alone.

    Args:
        seats: the host's, with student and seat.
        port: the port of seat 1.
        domain: of the notebooks' names; where it is empty, they have none.
    """
    return [{"student": seat["student"], **find_place(seat, port=port, domain=domain)} for seat in seats]


def _limit(wanted: object, auto: int) -> float:
    return auto if str(wanted) == "auto" else float(str(wanted))


def dstk_failure_message(failures: Mapping[str, Mapping[str, str]]) -> str:
    """Answer the failures of students for people: each with its remedy."""
    texts = [
        f"{student}: {failure['message']}" + (f"\nFix: {failure['fix']}" if failure["fix"] else "")
        for student, failure in failures.items()
    ]
    return "\n".join(texts)


def dstk_limit_pattern(limit: object, group: str) -> str:
    """Answer Ansible's pattern of those hosts of a group that have a seat of one of the students."""
    names = parse_limit(limit)
    students = ":".join(f"student_{name.replace('-', '_')}" for name in names)
    return f"{students}:&{group}" if names else group


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Answer the filters."""
        return {
            "dstk_failure_message": dstk_failure_message,
            "dstk_gone": dstk_gone,
            "dstk_host_notebooks": dstk_host_notebooks,
            "dstk_host_sites": dstk_host_sites,
            "dstk_limit_pattern": dstk_limit_pattern,
        }
