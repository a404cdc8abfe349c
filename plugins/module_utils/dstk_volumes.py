"""The volumes with the homes of hosts: which there are, attached to the hosts they belong to, tagged, grown, kept."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_backup import HOMES_TAG, LAST_TAG, PASSING_TAGS, REPLACED_TAG
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, chunks, error_code, filters, find_all, tags_of, throttled
from ansible.module_utils.dstk_fleet import Fleet, LingerError, explain_error
from ansible.module_utils.dstk_seats import HOST_TAG, PLACEMENT_TAG, SEAT_TAG, STUDENT_TAG

DEVICE = "/dev/sdf"
"""Under which name AWS attaches it: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html"""
GB_A_SEAT = 10
"""What a seat gets where `home_volume_size` is auto."""
ATTACH_SECONDS = 120
FINAL_DAYS = 30
"""Days after which nobody needs the last snapshot of a volume any more."""
SNAPSHOT_SECONDS = 3600
"""How long a last snapshot may take: the first of a volume copies all that was ever written to it."""
TOO_SOON = frozenset({"VolumeModificationRateExceeded", "IncorrectModificationState"})


@dataclass(frozen=True)
class Ended:
    """The volumes that were deleted, those with homes that stay, and the last snapshots that were taken."""

    deleted: list[str]
    kept: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class HomeVolume:
    """A volume of the deployment that holds homes, or will: it may bear no tag of whose yet."""

    id: str
    zone: str
    size: int
    state: str
    tags: Mapping[str, str]
    instance_id: str = ""
    device: str = ""
    created: str = ""

    @property
    def homes(self) -> str:
        """The host whose homes it holds: a student, or such as host01; empty where nobody has said so yet."""
        return self.tags.get(HOMES_TAG, "")

    @property
    def host_tags(self) -> dict[str, str]:
        """Its tags as a host has them."""
        number = self.homes.removeprefix("host")
        return {**self.tags, **({HOST_TAG: number} if number != self.homes and number.isdigit() else {})}


def find_volumes(client: Any, deployment: str) -> list[HomeVolume]:
    """Answer the volumes of a deployment that hold homes, the newest first."""
    rows = find_all(client, "describe_volumes", "Volumes", Filters=filters({f"tag:{DEPLOYMENT_TAG}": [deployment]}))
    marks = {HOMES_TAG, REPLACED_TAG}
    found = [_read(row) for row in rows if marks & tags_of(row).keys() or _find_device(row) == DEVICE]
    return sorted(found, key=lambda volume: volume.created, reverse=True)


def _find_device(row: Mapping[str, Any]) -> str:
    return next((str(item.get("Device")) for item in row.get("Attachments") or []), "")


def _read(row: Mapping[str, Any]) -> HomeVolume:
    attachments = row.get("Attachments") or [{}]
    return HomeVolume(
        id=row["VolumeId"],
        zone=row["AvailabilityZone"],
        size=int(row["Size"]),
        state=row["State"],
        tags=tags_of(row),
        instance_id=attachments[0].get("InstanceId", ""),
        device=attachments[0].get("Device", ""),
        created=str(row["CreateTime"]),
    )


def find_kept(volumes: Iterable[HomeVolume], live: Collection[str]) -> list[HomeVolume]:
    """Answer the volumes whose hosts are gone, one for each host: the newest."""
    kept: dict[str, HomeVolume] = {}
    for volume in volumes:
        if volume.homes and volume.instance_id not in live:
            kept.setdefault(volume.homes, volume)
    return sorted(kept.values(), key=lambda volume: volume.homes)


def find_host_name(tags: Mapping[str, str]) -> str:
    """Answer what the volume of a host is called: its student, or such as host01."""
    return f"host{tags[HOST_TAG]}" if tags.get(HOST_TAG) else tags.get(STUDENT_TAG, "")


def volume_tags(deployment: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Answer the tags of a volume, by those of its host: they say whose homes it holds when the host is gone."""
    own = {key: value for key, value in tags.items() if key == PLACEMENT_TAG or key.startswith(SEAT_TAG)}
    name = find_host_name(tags)
    return {**own, HOMES_TAG: name, "Name": f"{deployment}-{name}-homes"}


def find_size(wanted: str, seats: int) -> int:
    """Answer the GB of a host's volume.

    Args:
        wanted: a number, or auto.
        seats: how many the host has.
    """
    return GB_A_SEAT * seats if wanted == "auto" else int(wanted)


def data_mapping(size: int) -> dict[str, Any]:
    """Answer what RunInstances is asked for beside the root disk."""
    ebs = {"VolumeSize": size, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": False}
    return {"DeviceName": DEVICE, "Ebs": ebs}


def attach(fleet: Fleet, wanted: Mapping[str, HomeVolume]) -> dict[str, Explanation]:
    """Attach a volume to each of these instances, and wait for it; answer why it is refused, by instance."""
    failed: dict[str, Explanation] = {}
    deadline = time.monotonic() + ATTACH_SECONDS
    asked: set[str] = set()
    while wanted.keys() - failed.keys():
        seen = {volume.id: volume for volume in find_volumes(fleet.client, fleet.deployment)}
        waiting = [key for key in wanted if key not in failed and not _is_attached(seen.get(wanted[key].id), key)]
        if not waiting:
            break
        if time.monotonic() > deadline:
            return failed | {key: _why_late(wanted[key]) for key in waiting}
        for key in waiting:
            # that of an instance which AWS is ending is free in a moment
            if key not in asked and wanted[key].id in seen and seen[wanted[key].id].state == "available":
                fleet.changing.wait()
                asked.add(key)
                try:
                    if LAST_TAG in seen[wanted[key].id].tags:
                        # what is written from now on is not in that snapshot
                        fleet.untag(wanted[key].id, [LAST_TAG])
                    throttled(fleet.client.attach_volume, VolumeId=wanted[key].id, InstanceId=key, Device=DEVICE)
                except ClientError as error:
                    failed[key] = explain_error(error)
        time.sleep(1)
    return failed


def _is_attached(volume: HomeVolume | None, instance_id: str) -> bool:
    return volume is not None and volume.instance_id == instance_id and volume.state == "in-use"


def _why_late(volume: HomeVolume) -> Explanation:
    return Explanation(
        f"the volume {volume.id} with the homes of {volume.homes} is not attached after {ATTACH_SECONDS} s",
        "see in the EC2 console which instance has it, detach it there, and run the same command again",
    )


def grow(fleet: Fleet, wanted: Mapping[str, int]) -> list[str]:
    """Let volumes be as large as wanted, in GB by their ids; answer what stands against it, as warnings."""
    warnings = []
    growing = []
    for volume_id, size in wanted.items():
        fleet.changing.wait()
        try:
            throttled(fleet.client.modify_volume, VolumeId=volume_id, Size=size)
            growing.append(volume_id)
        except ClientError as error:
            if error_code(error) not in TOO_SOON:
                raise
            warnings.append(
                f"{volume_id} is not {size} GB yet: AWS changes a volume once in six hours. Run it again then."
            )
    deadline = time.monotonic() + ATTACH_SECONDS
    while growing and time.monotonic() < deadline:
        rows = throttled(fleet.client.describe_volumes_modifications, VolumeIds=growing)["VolumesModifications"]
        # the size is there as soon as AWS begins to optimize
        growing = [row["VolumeId"] for row in rows if row["ModificationState"] == "modifying"]
        if growing:
            time.sleep(1)
    return warnings


def snapshot(fleet: Fleet, volumes: Sequence[HomeVolume], *, expires: str, timeout: float) -> list[dict[str, Any]]:
    """Take a last snapshot of each volume, and wait until they are complete.

    One of the last day that a run took which did not come to its end is used, unless a host had the volume since.

    Args:
        fleet: whose deployment.
        volumes: which.
        expires: the day, such as 2026-12-31, after which nobody needs it.
        timeout: seconds.

    Raises:
        LingerError: they are not complete then, or failed; nothing may be deleted.
    """
    made = _find_last(fleet.client, volumes)
    begun = {volume.id for volume in made.values()}
    for volume in [volume for volume in volumes if volume.id not in begun]:
        own = {key: value for key, value in volume.tags.items() if key not in PASSING_TAGS}
        tags = {**own, DEPLOYMENT_TAG: fleet.deployment, "dstk:kind": "final", "dstk:expires": expires}
        labels = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        fleet.changing.wait()
        answer = throttled(
            fleet.client.create_snapshot,
            VolumeId=volume.id,
            Description=f"dstk: the homes of {volume.homes} in {fleet.deployment}, before they were deleted",
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": labels}],
        )
        made[answer["SnapshotId"]] = volume
    fleet.tag_all({volume.id: {LAST_TAG: key} for key, volume in made.items() if volume.id not in begun})
    deadline = time.monotonic() + timeout
    while made:
        rows = find_all(fleet.client, "describe_snapshots", "Snapshots", SnapshotIds=list(made))
        states = {row["SnapshotId"]: row["State"] for row in rows}
        late = [key for key, state in states.items() if state != "completed"]
        if not late:
            break
        if "error" in states.values() or time.monotonic() > deadline:
            raise LingerError(
                f"snapshots are not complete: {', '.join(late[:5])}; no volume was deleted\n"
                "Fix: look at them in the EC2 console, and run the same command again"
            )
        time.sleep(2)
    return [{"id": key, "size": volume.size, "homes": volume.homes, "expires": expires} for key, volume in made.items()]


def _find_last(client: Any, volumes: Sequence[HomeVolume]) -> dict[str, HomeVolume]:
    """Answer the last snapshots that there are already, each with its volume."""
    noted = {volume.tags[LAST_TAG]: volume for volume in volumes if LAST_TAG in volume.tags}
    oldest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    rows = [
        row
        for part in chunks(list(noted))
        for row in find_all(client, "describe_snapshots", "Snapshots", Filters=filters({"snapshot-id": part}))
    ]
    return {
        row["SnapshotId"]: noted[row["SnapshotId"]]
        for row in rows
        if row["State"] in ("pending", "completed")
        and row["VolumeId"] == noted[row["SnapshotId"]].id
        and row["StartTime"] > oldest
    }


def await_released(fleet: Fleet, volumes: Sequence[HomeVolume], *, timeout: float = ATTACH_SECONDS) -> list[HomeVolume]:
    """Wait until instances that ended have let go of their volumes, and answer these as they are then."""
    ids = {volume.id for volume in volumes}
    deadline = time.monotonic() + timeout
    while True:
        now = [volume for volume in find_volumes(fleet.client, fleet.deployment) if volume.id in ids]
        if all(volume.state == "available" for volume in now):
            return now
        if time.monotonic() > deadline:
            busy = ", ".join(volume.id for volume in now if volume.state != "available")
            raise LingerError(f"volumes are still in use: {busy}\nFix: run the same command again")
        time.sleep(1)


def name_homes(fleet: Fleet, instances: Iterable[Mapping[str, Any]]) -> list[str]:
    """Let the volumes of instances say whose homes they hold where they do not yet, and answer these volumes.

    RunInstances cannot: its tags are those of all volumes of a launch, the root disks' too. An instance of which
    nobody has a seat has never been used.

    Raises:
        LingerError: AWS refuses the tags, without which nothing would tell these volumes from leftovers.
    """
    having = {
        mapping["Ebs"]["VolumeId"]: volume_tags(fleet.deployment, tags_of(instance))
        for instance in instances
        for mapping in instance.get("BlockDeviceMappings", [])
        if mapping["DeviceName"] == DEVICE and find_host_name(tags_of(instance))
    }
    named = {volume.id for volume in find_volumes(fleet.client, fleet.deployment) if volume.homes}
    lacking = {key: tags for key, tags in having.items() if key not in named}
    for volume_id, reason in fleet.tag_all(lacking).items():
        raise LingerError(
            f"{volume_id} holds the homes of {lacking[volume_id][HOMES_TAG]} and cannot be tagged: {reason.message}; "
            f"nothing was ended\nFix: {reason.fix}; `--delete-data --no-final-backup` gives all homes up"
        )
    return list(lacking)


def end_volumes(fleet: Fleet, *, delete_data: bool, final_backup: bool, noted: Collection[str] = ()) -> Ended:
    """Delete the volumes that ended instances left behind; those with homes only where that is asked for.

    Args:
        fleet: whose deployment.
        delete_data: whether volumes with homes are deleted as well.
        final_backup: whether a snapshot of each is taken before.
        noted: volumes with homes whose tags AWS may not show yet.

    Raises:
        LingerError: a volume is still in use, or its snapshot is not complete; it was not deleted.
    """
    marks = {HOMES_TAG, REPLACED_TAG}
    homes = [volume for volume in find_volumes(fleet.client, fleet.deployment) if marks & volume.tags.keys()]
    # first of all their instances let go of them: what these still had in memory is written by then
    deleting = await_released(fleet, homes) if delete_data and homes else []
    taken: list[dict[str, Any]] = []
    if deleting and final_backup:
        day = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=FINAL_DAYS)
        taken = snapshot(
            fleet, [volume for volume in deleting if volume.homes], expires=day.isoformat(), timeout=SNAPSHOT_SECONDS
        )
    kept = [volume for volume in homes if not delete_data]
    deleted = fleet.end_volumes(kept={volume.id for volume in kept} | ({*noted} if not delete_data else set()))
    rows = [{"id": item.id, "size": item.size, "homes": item.homes, "zone": item.zone} for item in kept]
    return Ended(deleted, rows, taken)
