"""Which snapshots are put in the place of which volumes: of the same people alone, none twice. No AWS."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.dstk_backup import HOMES_TAG, RESTORED_TAG, tags_of
from ansible.module_utils.dstk_seats import Seat, find_seats
from ansible.module_utils.dstk_volumes import find_host_name

Row = Mapping[str, Any]


def find_others(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Answer the logins of those who sit there now and did not then, by the tags of a snapshot and of a volume."""
    before = {seat.student: seat for seat in find_seats(then)}
    return [seat.student for seat in find_seats(now) if not _is_same(before.get(seat.student), seat)]


def find_strangers(then: Mapping[str, str], now: Mapping[str, str], logins: Collection[str] = ()) -> list[str]:
    """Answer the logins, of these or of all, that were somebody else's then."""
    before = {seat.student for seat in find_seats(then)}
    return [login for login in find_others(then, now) if login in before and (not logins or login in logins)]


def _is_same(then: Seat | None, now: Seat) -> bool:
    # a seat that an earlier dstk tagged has no identity, and is told by its login alone
    return then is not None and (not then.identity or not now.identity or then.identity == now.identity)


def label(snapshot: Row) -> str:
    """Answer what a volume made of a snapshot says of itself until a host runs with it."""
    return f"{tags_of(snapshot)[HOMES_TAG]} of {snapshot['SnapshotId']}"


def is_waiting(volume: Row) -> bool:
    """Answer whether a volume was made of a snapshot, and no host has it yet."""
    return RESTORED_TAG in tags_of(volume) and not volume.get("Attachments")


def find_current(volumes: Iterable[Row], homes: str) -> list[Row]:
    """Answer the volumes with these homes: those that hosts have first, then the newest."""
    rows = [row for row in volumes if tags_of(row).get(HOMES_TAG) == homes]
    rows.sort(key=lambda row: str(row["CreateTime"]), reverse=True)
    return sorted(rows, key=lambda row: not row.get("Attachments"))


def is_done(volume: Row, snapshot: Row, instances: Mapping[str, Row]) -> bool:
    """Answer whether a volume was made of this snapshot and no host has run with it since.

    A host that runs, or was started after it got the volume, may have changed it.

    Args:
        volume: as EC2 describes it.
        snapshot: likewise.
        instances: those of the deployment, by their ids, as they were before any was stopped.
    """
    if tags_of(volume).get(RESTORED_TAG) != label(snapshot) or HOMES_TAG not in tags_of(volume):
        return False
    for item in volume.get("Attachments") or ():
        host = instances.get(item["InstanceId"])
        if host is None or host["State"]["Name"] != "stopped" or host["LaunchTime"] > item["AttachTime"]:
            return False
    return True


def choose(
    snapshots: Sequence[Row], volumes: Sequence[Row], instances: Sequence[Row], *, latest: bool
) -> tuple[list[Row], dict[str, str]]:
    """Answer which snapshots are restored, and by homes why others are not.

    Args:
        snapshots: what was asked for, one of each homes.
        volumes: those of the deployment with homes.
        instances: those of the deployment that have not ended.
        latest: whether the newest of all were asked for. Then homes that nobody has any more are left out, unless
            nothing is left of the deployment.
    """
    is_gone = not instances and all(is_waiting(row) for row in volumes)
    chosen, skipped = [], {}
    for row in snapshots:
        homes = tags_of(row)[HOMES_TAG]
        having = [
            *find_current(volumes, homes),
            *(item for item in instances if find_host_name(tags_of(item)) == homes),
        ]
        others = find_others(tags_of(row), tags_of(having[0])) if having else []
        if others:
            skipped[homes] = f"in {row['SnapshotId']} are not the people who sit there now ({', '.join(others)})"
        elif latest and not having and not is_gone:
            skipped[homes] = f"nobody has them any more; `dstk restore {row['SnapshotId']}` brings them all the same"
        else:
            chosen.append(row)
    return chosen, skipped
