"""Hosts that EC2 took back: found, waited for, and ended once another has their seats."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import error_code, filters, tags_of, throttled
from ansible.module_utils.dstk_fleet import Fleet, LingerError
from ansible.module_utils.dstk_launch import ENDED, ENDING, LIVE, NO_CAPACITY, find_instances, state_of
from ansible.module_utils.dstk_seats import find_seats
from ansible.module_utils.dstk_spot import NOT_STARTABLE, cancel, find_own_requests, find_requests, is_interrupted
from ansible.module_utils.dstk_wishes import Wishes, Work


def find_lost(
    fleet: Fleet, instances: Sequence[Mapping[str, Any]], wishes: Wishes, *, check_mode: bool = False
) -> dict[str, Mapping[str, Any]]:
    """Answer the instances of this run that EC2 took back and does not let anybody start, by their ids.

    Each is tried first: one that starts is lost no more. In check mode none is.
    """
    concerned = {item["InstanceId"]: item for item in instances if is_interrupted(item) and _is_wanted(item, wishes)}
    if check_mode or not concerned:
        return concerned
    fleet.await_stopped(list(concerned), timeout=wishes.timeout)
    return {key: item for key, item in concerned.items() if not _starts(fleet, key)}


def _is_wanted(instance: Mapping[str, Any], wishes: Wishes) -> bool:
    """Answer whether one whom the run serves sits there, or nobody: then it has never been used."""
    seats = find_seats(tags_of(instance))
    students = {row.student for row in wishes.rows}
    return not seats or any(seat.student in students and wishes.includes(seat.student) for seat in seats)


def _starts(fleet: Fleet, instance_id: str) -> bool:
    fleet.changing.wait()
    try:
        throttled(fleet.client.start_instances, InstanceIds=[instance_id])
    except ClientError as error:
        if error_code(error) in {NOT_STARTABLE, *NO_CAPACITY}:
            return False
        raise
    return True


def end_lost(fleet: Fleet, lost: Mapping[str, Mapping[str, Any]], wishes: Wishes, work: Work) -> list[str]:
    """End what EC2 took back, where all who sit there have a seat on a host that runs; answer what was ended.

    Volumes with homes stay, and are free then. What nobody can replace stays too: EC2 may start it again.
    """
    students = {row.student for row in wishes.rows}
    served = {seat.student for seats in work.seats.values() for seat in seats}
    ending = [
        key for key, item in lost.items() if {seat.student for seat in find_seats(tags_of(item))} & students <= served
    ]
    return fleet.end(ending, timeout=wishes.timeout) if ending else []


def give_up(fleet: Fleet, instances: Sequence[Mapping[str, Any]]) -> None:
    """Cancel the requests of instances that ended while they were starting: EC2 would launch others."""
    ended = [item for item in instances if state_of(item) in ENDED]
    cancel(fleet.client, fleet.changing, find_own_requests(ended))


def end_requests(fleet: Fleet, *, timeout: float) -> list[str]:
    """Cancel all requests of a deployment, and end what EC2 launched for them by itself; answer these instances.

    Such an instance stands in the place of one that somebody ended without its request. It bears no tag of dstk's, and
    nobody has ever used it.

    Raises:
        LingerError: such an instance has not ended after so many seconds.
    """
    requests = [str(item["SpotInstanceRequestId"]) for item in find_requests(fleet.client, fleet.deployment)]
    if not requests:
        return []
    cancel(fleet.client, fleet.changing, requests)
    # only now, for until then one may have launched another
    rows = throttled(fleet.client.describe_spot_instance_requests, SpotInstanceRequestIds=requests)
    ids = {row["InstanceId"] for row in rows["SpotInstanceRequests"] if row.get("InstanceId")}
    own = {item["InstanceId"] for item in fleet.find()}
    strays = _look(fleet, ids - own, LIVE)
    if not strays:
        return []
    fleet.changing.wait()
    throttled(fleet.client.terminate_instances, InstanceIds=list(strays))
    deadline = time.monotonic() + timeout
    while left := _look(fleet, strays, (*LIVE, ENDING)):
        if time.monotonic() >= deadline:
            raise LingerError(
                f"{', '.join(left)} have not ended after {timeout:.0f} s\nFix: run the same command again"
            )
        time.sleep(1)
    disks = [disk["Ebs"] for item in strays.values() for disk in item.get("BlockDeviceMappings", [])]
    for disk in disks:
        if not disk.get("DeleteOnTermination"):
            fleet.changing.wait()
            throttled(fleet.client.delete_volume, VolumeId=disk["VolumeId"])
    return list(strays)


def _look(fleet: Fleet, ids: Collection[str], states: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Answer which of these instances are in these states."""
    by = filters({"instance-id": sorted(ids), "instance-state-name": states})
    return {item["InstanceId"]: item for item in find_instances(fleet.client, by)} if ids else {}
