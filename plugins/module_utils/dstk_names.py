"""The names of notebooks: which records of a zone of Route 53 have to be made, changed and deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

TTL = 60
"""Seconds: an instance has a new address after each stop, and a name must soon follow it."""
BATCH = 300
"""Changes in one call. AWS takes 1000 records and 32000 characters, and counts both twice where it is an UPSERT:
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html"""


def find_zone(zones: Iterable[Mapping[str, Any]], domain: str) -> Mapping[str, Any] | None:
    """Answer the public zone that is nearest to a domain; None where the account has none."""
    near = [
        zone
        for zone in zones
        if not zone.get("Config", {}).get("PrivateZone") and f".{_bare(domain)}".endswith(f".{_bare(zone['Name'])}")
    ]
    return max(near, key=lambda zone: len(zone["Name"]), default=None)


def plan_names(
    records: Iterable[Mapping[str, Any]], wanted: Mapping[str, str], *, domain: str, deployment: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Answer the changes that lead names to addresses, and the students whose names are somebody else's.

    Args:
        records: of the zone, whoever's they are.
        wanted: the address of each student.
        domain: what comes after the student's name.
        deployment: whose they are, as the TXT record beside each says.
    """
    there = _by_name(records)
    changes: list[dict[str, Any]] = []
    foreign: list[str] = []
    for student, address in wanted.items():
        name = f"{student}.{_bare(domain)}"
        found = there.get(name, {})
        if found and not _is_ours(found, deployment):
            foreign.append(student)
            continue
        records_wanted = (_record(name, "A", address), _record(name, "TXT", owner(deployment)))
        if any(_differs(found.get(record["Type"]), record) for record in records_wanted):
            changes += [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records_wanted]
    return changes, foreign


def plan_removal(
    records: Iterable[Mapping[str, Any]], *, domain: str, deployment: str, students: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Answer the changes that delete a deployment's names under a domain: all, or those of students."""
    chosen = None if students is None else {f"{student}.{_bare(domain)}" for student in students}
    return [
        {"Action": "DELETE", "ResourceRecordSet": dict(found[kind])}
        for name, found in _by_name(records).items()
        if name.endswith(f".{_bare(domain)}") and _is_ours(found, deployment) and (chosen is None or name in chosen)
        for kind in ("A", "TXT")
        if kind in found
    ]


def batches(changes: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the changes in portions that one call takes; the two records of a name stay together."""
    for start in range(0, len(changes), BATCH):
        yield list(changes[start : start + BATCH])


def named(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Answer the names that changes are about."""
    return sorted({_bare(change["ResourceRecordSet"]["Name"]) for change in changes})


def owner(deployment: str) -> str:
    """Answer the text of the TXT record that says whose a name is."""
    return f'"heritage=dstk,dstk/deployment={deployment}"'


def _record(name: str, kind: str, value: str) -> dict[str, Any]:
    return {"Name": f"{name}.", "Type": kind, "TTL": TTL, "ResourceRecords": [{"Value": value}]}


def _by_name(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for record in records:
        found.setdefault(_bare(record["Name"]), {})[record["Type"]] = record
    return found


def _is_ours(found: Mapping[str, Mapping[str, Any]], deployment: str) -> bool:
    return {"Value": owner(deployment)} in found.get("TXT", {}).get("ResourceRecords", [])


def _differs(there: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return there is None or any(there.get(key) != wanted[key] for key in ("TTL", "ResourceRecords"))


def _bare(name: str) -> str:
    return name.rstrip(".").lower()
