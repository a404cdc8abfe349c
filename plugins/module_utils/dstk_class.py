"""A class gets its hosts: what is there is read once, seats are decided, and what is missing is launched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, tags_of
from ansible.module_utils.dstk_fleet import Fleet, explain_error
from ansible.module_utils.dstk_interrupted import end_lost, find_lost, give_up
from ansible.module_utils.dstk_kept import find_their_volumes, launch_kept, plan_instance, tend_volumes
from ansible.module_utils.dstk_launch import LIVE, NO_CAPACITY, Launcher, run_parameters, state_of
from ansible.module_utils.dstk_seats import (
    DEDICATED,
    PLACEMENT_TAG,
    SHARED,
    Host,
    Row,
    Seat,
    Settlement,
    find_capacity,
    find_seats,
    host_tags,
    settle,
)
from ansible.module_utils.dstk_spot import explain_scarcity, is_spot
from ansible.module_utils.dstk_types import find_types
from ansible.module_utils.dstk_volumes import (
    attach,
    data_mapping,
    find_host_name,
    find_kept,
    find_size,
    find_volumes,
    name_homes,
)
from ansible.module_utils.dstk_wishes import Wishes, Work


def ensure_seats(fleet: Fleet, wishes: Wishes, *, check_mode: bool = False) -> dict[str, Any]:
    """Give every student of the run a seat on a running host, and answer what the module returns."""
    found = fleet.find()
    # what AWS took back is as good as gone: its volume is free as soon as another host is there for it
    lost = find_lost(fleet, found, wishes, check_mode=check_mode)
    live = {item["InstanceId"]: item for item in found if state_of(item) in LIVE and item["InstanceId"] not in lost}
    if lost and not check_mode:
        name_homes(fleet, lost.values())
    volumes = find_volumes(fleet.client, wishes.deployment)
    # a host that is gone lives on in its volume, and keeps its seats
    kept = {volume.id: volume for volume in find_kept(volumes, live)}
    hosts = [Host(key, item["InstanceType"], tags_of(item)) for key, item in live.items()]
    # one that a host of its name waits for is that host's
    names = {find_host_name(tags_of(item)) for item in live.values()}
    # one that says of nobody that the seat is theirs is nobody else's either
    gone = [volume for volume in kept.values() if volume.homes not in names and find_seats(volume.tags)]
    hosts += [Host(volume.id, wishes.types[0], volume.host_tags) for volume in gone]
    asked = [*wishes.types, *(row.instance_type for row in wishes.rows if row.instance_type)]
    kinds = find_types(fleet.client, [*asked, *(host.type for host in hosts if host.placement == SHARED)])
    capacities = {
        name: find_capacity(
            placement=wishes.placement, vcpus=kind["vcpus"], memory_mib=kind["memory_mib"], **wishes.sizes
        )
        for name, kind in kinds.items()
    }
    settlement = settle(
        wishes.rows,
        hosts,
        placement=wishes.placement,
        instance_types=wishes.types,
        capacities=capacities,
        limit=wishes.limit,
    )
    work = Work()
    for row, host_id in settlement.conflicts:
        work.fail([row.student], _why_taken(row, host_id))
    _seat_on_hosts(work, wishes, [host for host in hosts if host.id in live], settlement)
    find_their_volumes(work, live, volumes, kept.values())
    launcher = Launcher(fleet.client, wishes.deployment, {item["InstanceId"] for item in found})
    numbers = _count_from(max((host.number for host in hosts), default=0), work)
    for volume in gone:
        launch_kept(work, wishes, volume, settlement, kinds, None if check_mode else launcher)
    for rows in _group(settlement.unseated):
        _launch_for(work, wishes, rows, kinds, capacities, numbers, None if check_mode else launcher)
    awaited = {
        key: work.tags.get(key, {})
        for key, seats in work.seats.items()
        if any(wishes.includes(seat.student) for seat in seats)
    }
    started = [key for key in awaited if key in live and state_of(live[key]) in ("stopping", "stopped")]
    seen = {**live, **work.launched}
    if awaited and not check_mode:
        now, failed = fleet.await_running(awaited, timeout=wishes.timeout)
        seen.update(now)
        give_up(fleet, [now[key] for key in failed if key in now])
        for key, reason in failed.items():
            work.fail([seat.student for seat in work.seats.pop(key)], reason)
        work.ended = end_lost(fleet, lost, wishes, work)
        failed = attach(fleet, {key: volume for key, volume in work.attach.items() if key in work.seats})
        for key, reason in failed.items():
            work.fail([seat.student for seat in work.seats.pop(key)], reason)
    if (work.launched or work.attach) and not check_mode:
        volumes = find_volumes(fleet.client, wishes.deployment)
    tend_volumes(
        fleet, wishes, work, [item for item in volumes if item.instance_id in awaited], seen, capacities, check_mode
    )
    answer = _answer(wishes, work, settlement, before=live, seen=seen, started=started)
    return {**answer, "image": wishes.images.get(kinds.get(wishes.types[0], {}).get("architecture", ""), {})}


def _seat_on_hosts(work: Work, wishes: Wishes, hosts: Sequence[Host], settlement: Settlement) -> None:
    """Note the seats of the hosts that are there, and which tags these lack."""
    last = max((host.number for host in hosts), default=0)
    for host in hosts:
        kept, given = settlement.kept.get(host.id, []), settlement.given.get(host.id, [])
        if not kept and not given:
            continue
        work.seats[host.id] = [*kept, *given]
        number = host.number
        if not host.seats and wishes.placement == SHARED:
            last = number = last + 1
        placement = host.placement if host.seats else wishes.placement
        tags = host_tags(wishes.deployment, placement, [*kept, *given], number=number)
        if host.seats:
            del tags["Name"]  # its owner may have given it another
        lacking = {key: value for key, value in tags.items() if host.tags.get(key) != value}
        if lacking:
            work.tags[host.id] = lacking


def _count_from(last: int, work: Work) -> Iterator[int]:
    """Count the shared hosts that are launched, after those that are there."""
    given = [int(tags["dstk:host"]) for tags in work.tags.values() if "dstk:host" in tags]
    number = max([last, *given])
    while True:
        number += 1
        yield number


def _group(rows: Sequence[Row]) -> list[list[Row]]:
    """Put together the rows that want the same type."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.instance_type, []).append(row)
    return list(groups.values())


def _launch_for(
    work: Work,
    wishes: Wishes,
    rows: Sequence[Row],
    kinds: Mapping[str, Mapping[str, Any]],
    capacities: Mapping[str, int],
    numbers: Iterator[int],
    launcher: Launcher | None,
) -> None:
    """Launch hosts for rows of one wish, one type after the other; without a launcher, only plan them."""
    waiting = list(rows)
    refusal: Explanation | None = None
    for name in (waiting[0].instance_type,) if waiting[0].instance_type else wishes.types:
        kind = kinds.get(name, {"zones": [], "architecture": ""})
        subnets = [subnet for subnet in wishes.subnets if subnet["zone"] in kind["zones"]]
        image = wishes.images.get(kind["architecture"])
        if not subnets or not image:
            refusal = refusal or _why_impossible(name, kinds)
            continue
        count = -(-len(waiting) // capacities[name])
        portions = [waiting[n * capacities[name] : (n + 1) * capacities[name]] for n in range(count)]
        seatings = [[Seat(row.student, n, row.identity) for n, row in enumerate(part, start=1)] for part in portions]
        labels = [
            host_tags(
                wishes.deployment, wishes.placement, seats, number=next(numbers) if wishes.placement == SHARED else 0
            )
            for seats in seatings
        ]
        if launcher is None:
            came = [plan_instance(name, subnets[0]["zone"], image, len(work.launched) + n + 1) for n in range(count)]
            error = None
        else:
            common = {"Name": wishes.deployment, PLACEMENT_TAG: wishes.placement}
            # who sits on the only host is known before it is made; of several, AWS tags all alike
            tags = {**(labels[0] if count == 1 else common), DEPLOYMENT_TAG: wishes.deployment}
            data = [data_mapping(find_size(wishes.home_volume_size, capacities[name]))]
            request = run_parameters(image=image, instance_type=name, tags=tags, data=data, **wishes.launch)
            came, error = launcher.launch(request, count, subnets)
        for instance, seats, label in zip(came, seatings, labels, strict=False):
            work.launched[instance["InstanceId"]] = instance
            work.seats[instance["InstanceId"]] = seats
            work.tags[instance["InstanceId"]] = label
        waiting = [row for part in portions[len(came) :] for row in part]
        if not waiting:
            return
        if error and wishes.spot and error_code(error) in NO_CAPACITY:
            refusal = explain_scarcity(name, [subnet["zone"] for subnet in subnets])
        else:
            refusal = explain_error(error) if error else refusal
        if error_code(error) not in NO_CAPACITY:
            break
    work.fail([row.student for row in waiting], refusal or _why_impossible(wishes.types[0], kinds))


def _answer(
    wishes: Wishes,
    work: Work,
    settlement: Settlement,
    *,
    before: Mapping[str, Mapping[str, Any]],
    seen: Mapping[str, Mapping[str, Any]],
    started: Sequence[str],
) -> dict[str, Any]:
    hosts = [_describe(seen[key], seats, wishes.placement, work.tags.get(key, {})) for key, seats in work.seats.items()]
    types = {*wishes.types, *(row.instance_type for row in wishes.rows)}
    images = {image["image_id"] for image in wishes.images.values()}
    kept = [key for key in work.seats if key in before and key not in started]
    was = {key: state_of(item) for key, item in before.items()}
    now = {**was, **{host["id"]: host["state"] for host in hosts}}
    return {
        "changed": (changed := bool(work.launched or started or work.tags or work.attach or work.tended or work.ended)),
        "hosts": hosts,
        "failures": [
            {"student": student, "message": reason.message, "fix": reason.fix}
            for student, reason in sorted(work.failures.items())
            if wishes.includes(student)
        ],
        "gone": [{"student": seat.student, "instance_id": key} for key, seat in settlement.gone if key in before],
        "launched": list(work.launched),
        "started": list(started),
        "kept": kept,
        "replaced": work.ended,
        "differing": [
            key
            for key in work.seats
            if key in before and (before[key]["InstanceType"] not in types or before[key]["ImageId"] not in images)
        ],
        "otherwise_paid": [key for key in work.seats if key in before and is_spot(before[key]) != wishes.spot],
        "warnings": [*_find_warnings(settlement, before), *work.warnings],
        "diff": {
            "before": {**was, **{key: sizes[0] for key, sizes in work.volumes.items()}},
            "after": {**(now if changed else was), **{key: sizes[1] for key, sizes in work.volumes.items()}},
        },
    }


def _describe(instance: Mapping[str, Any], seats: Sequence[Seat], placement: str, given: Mapping[str, str]) -> dict:
    tags = {**tags_of(instance), **given}
    return {
        "id": instance["InstanceId"],
        "address": instance.get("PublicIpAddress", ""),
        "zone": instance["Placement"]["AvailabilityZone"],
        "type": instance["InstanceType"],
        "image_id": instance["ImageId"],
        "state": state_of(instance),
        "placement": tags.get(PLACEMENT_TAG, placement if given else DEDICATED),
        "seats": [asdict(seat) for seat in sorted(seats, key=lambda seat: seat.seat)],
    }


def _find_warnings(settlement: Settlement, live: Collection[str]) -> list[str]:
    warnings = [
        f"{seat.student} has more than one seat; the oldest is used. Terminate what is spare: {key}"
        for key, seat in settlement.doubles
        if key in live
    ]
    if settlement.spare:
        warnings.append(
            f"nobody sits on {', '.join(settlement.spare)}; the next student who needs a host gets one of these"
        )
    return warnings


def _why_taken(row: Row, host_id: str) -> Explanation:
    if host_id.startswith("vol-"):
        return Explanation(
            f"{host_id} holds the home of somebody else who had the login {row.student}",
            "if it is the same person, name them as before (email, else name); if it is another one, give them another "
            "login, or delete the volume, and run the same command again",
        )
    return Explanation(
        f"{row.student} has a seat on {host_id} that was given to somebody who was named otherwise in the roster",
        "if it is the same person, name them as before (email, else name); if it is another one, give them another "
        "login, or remove the former with --prune and run the same command again",
    )


def _why_impossible(name: str, kinds: Mapping[str, Mapping[str, Any]]) -> Explanation:
    said = f"the region does not offer the instance type {name}"
    if name in kinds and kinds[name]["zones"]:
        said = f"there is no subnet, or no image of Ubuntu, in which {name} ({kinds[name]['architecture']}) can start"
    return Explanation(said, "choose another `instance_type`, or a `region` that offers it")
