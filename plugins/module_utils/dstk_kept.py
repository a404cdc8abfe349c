"""Hosts that are gone and whose homes are not: launched again beside their volumes, which are tended as hosts are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_backup import HOMES_TAG, PASSING_TAGS
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, tags_of
from ansible.module_utils.dstk_fleet import Fleet, explain_error
from ansible.module_utils.dstk_launch import NO_CAPACITY, Launcher, run_parameters
from ansible.module_utils.dstk_seats import DEDICATED, HOST_TAG, Host, Settlement, host_tags
from ansible.module_utils.dstk_spot import explain_scarcity
from ansible.module_utils.dstk_volumes import (
    DEVICE,
    HomeVolume,
    find_host_name,
    find_size,
    grow,
    volume_tags,
)
from ansible.module_utils.dstk_wishes import Wishes, Work


def find_their_volumes(
    work: Work, live: Mapping[str, Mapping[str, Any]], volumes: Iterable[HomeVolume], kept: Iterable[HomeVolume]
) -> None:
    """Note which hosts get a volume that is theirs and nobody has: a killed run had not attached it."""
    having = {volume.instance_id for volume in volumes if volume.device == DEVICE}
    waiting = {volume.homes: volume for volume in kept}
    for key in work.seats:
        volume = waiting.get(find_host_name({**tags_of(live[key]), **work.tags.get(key, {})}))
        if volume is None or key in having:
            continue
        if volume.zone == live[key]["Placement"]["AvailabilityZone"]:
            work.attach[key] = volume
        else:
            work.fail([seat.student for seat in work.seats[key]], _why_elsewhere(volume, key))


def launch_kept(
    work: Work,
    wishes: Wishes,
    volume: HomeVolume,
    settlement: Settlement,
    kinds: Mapping[str, Mapping[str, Any]],
    launcher: Launcher | None,
) -> None:
    """Launch a host in the zone of a volume whose host is gone, for those who had a seat there."""
    seats = [*settlement.kept.get(volume.id, []), *settlement.given.get(volume.id, [])]
    if not any(wishes.includes(seat.student) for seat in seats):
        return
    host = Host(volume.id, "", volume.host_tags)
    tags = {
        **host_tags(wishes.deployment, host.placement, seats, number=host.number),
        DEPLOYMENT_TAG: wishes.deployment,
    }
    own = {row.instance_type for row in wishes.rows if row.student == seats[0].student and row.instance_type}
    refusal = Explanation(
        f"the homes of {volume.homes} are on {volume.id} in {volume.zone}, where no instance of the type can start",
        "choose an `instance_type` that this zone offers; `dstk destroy --delete-data` gives the volume up",
    )
    for name in own if host.placement == DEDICATED and own else wishes.types:
        kind = kinds.get(name, {"zones": [], "architecture": ""})
        subnets = [
            subnet for subnet in wishes.subnets if subnet["zone"] == volume.zone and volume.zone in kind["zones"]
        ]
        image = wishes.images.get(kind["architecture"])
        if not subnets or not image:
            continue
        error: Exception | None = None
        if launcher is None:
            came = [plan_instance(name, volume.zone, image, len(work.launched) + 1)]
        else:
            request = run_parameters(image=image, instance_type=name, tags=tags, **wishes.launch)
            came, error = launcher.launch(request, 1, subnets)
        for instance in came:
            key = instance["InstanceId"]
            work.launched[key], work.seats[key], work.tags[key], work.attach[key] = instance, seats, tags, volume
            return
        if error and wishes.spot and error_code(error) in NO_CAPACITY:
            refusal = explain_scarcity(name, [volume.zone], homes=volume.id)
        else:
            refusal = explain_error(error) if error else refusal
        if error_code(error) not in NO_CAPACITY:
            break
    work.fail([seat.student for seat in seats], refusal)


def tend_volumes(
    fleet: Fleet,
    wishes: Wishes,
    work: Work,
    volumes: Sequence[HomeVolume],
    seen: Mapping[str, Mapping[str, Any]],
    capacities: Mapping[str, int],
    check_mode: bool,
) -> None:
    """Tag the volumes of hosts as their hosts are, and let those grow that are smaller than wished for.

    Who sits on a host whose volume cannot be given its name counts as one who has no host.
    """
    lacking, growing, hosts = {}, {}, {}
    for volume in volumes:
        if volume.device != DEVICE or volume.instance_id not in work.seats:
            continue
        instance = seen[volume.instance_id]
        tags = volume_tags(wishes.deployment, {**tags_of(instance), **work.tags.get(volume.instance_id, {})})
        if missing := {key: value for key, value in tags.items() if volume.tags.get(key) != value}:
            lacking[volume.id], hosts[volume.id] = missing, volume.instance_id
        seats = max(len(work.seats[volume.instance_id]), capacities.get(instance["InstanceType"], 1))
        size = find_size(wishes.home_volume_size, seats if HOST_TAG in tags_of(instance) else 1)
        if size > volume.size:
            growing[volume.id] = size
            work.volumes[volume.id] = (f"{volume.size} GB", f"{size} GB")
    work.tended = bool(lacking or growing)
    if check_mode:
        return
    for volume_id, reason in fleet.tag_all(lacking).items():
        said = f"{volume_id} could not be tagged: {reason.message}"
        if HOMES_TAG in lacking[volume_id]:
            # once the host is gone, nothing would tell whose work it holds
            work.fail([seat.student for seat in work.seats.pop(hosts[volume_id])], Explanation(said, reason.fix))
        else:
            work.warnings.append(said)
    for volume in volumes:
        # a host runs with it: what it was made of is not what it holds any more
        if passing := PASSING_TAGS & volume.tags.keys():
            fleet.untag(volume.id, passing)
    work.warnings += grow(fleet, growing)


def plan_instance(name: str, zone: str, image: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Answer what check mode says of an instance that would be launched."""
    return {
        "InstanceId": f"planned-{number:02d}",
        "InstanceType": name,
        "ImageId": image["image_id"],
        "Placement": {"AvailabilityZone": zone},
        "State": {"Name": "pending"},
    }


def _why_elsewhere(volume: HomeVolume, instance_id: str) -> Explanation:
    return Explanation(
        f"the homes of {volume.homes} are on {volume.id} in {volume.zone}, and {instance_id} is in another zone",
        f"terminate {instance_id}, and run the same command again: the next instance starts beside the volume",
    )
