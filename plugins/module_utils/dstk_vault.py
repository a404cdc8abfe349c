"""Snapshots of a deployment's homes, taken and deleted, and volumes made of them in the place of others."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_backup import (
    EXPIRES_TAG,
    HOMES_TAG,
    KIND_TAG,
    PASSING_TAGS,
    REPLACED_TAG,
    RESTORED_TAG,
    TARGET_TAG,
    find_old,
    find_snapshot_tags,
)
from ansible.module_utils.dstk_ec2 import (
    DEPLOYMENT_TAG,
    Pace,
    filters,
    find_all,
    tag_list,
    tags_of,
    throttled,
)
from ansible.module_utils.dstk_restore import find_current, is_done, is_waiting, label

LENT_TAG, LENT_DEVICE = "dstk:lent", "/dev/sdp"
"""Of a volume that a host has while homes are copied from it: the host. And where it has it."""
AT_ONCE = 8
PATIENCE = 180
"""Seconds for a volume to be made, let go of, or attached."""
OWN_TAGS = frozenset({KIND_TAG, EXPIRES_TAG, TARGET_TAG, REPLACED_TAG, "dlm:managed", *PASSING_TAGS})
"""What a volume does not inherit of the snapshot that it is made of, or of the volume whose place it has."""

GONE_TAGS = (HOMES_TAG, TARGET_TAG, RESTORED_TAG)
"""What a volume does not bear any more when another has its place."""

Row = Mapping[str, Any]


class VaultError(Exception):
    """What cannot be done; the message says what to do."""


@dataclass
class Vault:
    """The homes of one deployment and their snapshots; `changes` are what was made or deleted."""

    client: Any
    deployment: str
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)
    changing: Pace = field(default_factory=lambda: Pace(40, 4.5))

    def find_volumes(self) -> list[Row]:
        """Answer the volumes with homes."""
        return self._find_tagged(HOMES_TAG)

    def _find_tagged(self, *keys: str) -> list[Row]:
        asked = filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment]})
        rows = find_all(self.client, "describe_volumes", "Volumes", Filters=asked)
        usable = [row for row in rows if row["State"] not in ("error", "deleting", "deleted")]
        return [row for row in usable if tags_of(row).keys() & set(keys)]

    def find_snapshots(self) -> list[Row]:
        """Answer the snapshots of homes."""
        asked = filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment], "tag-key": [HOMES_TAG]})
        return find_all(self.client, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=asked)

    def take(self, *, timeout: float, now: datetime.datetime) -> tuple[list[Row], dict[str, str]]:
        """Make a snapshot of each volume, and wait until they are whole.

        Returns:
            The snapshots, and by homes why there is none.
        """
        volumes = self.find_volumes()
        failures: dict[str, str] = {}

        def make(volume: Row) -> str:
            homes = tags_of(volume)[HOMES_TAG]
            request = {
                "VolumeId": volume["VolumeId"],
                "Description": f"dstk: the homes of {homes} in {self.deployment}",
                "TagSpecifications": [
                    {"ResourceType": "snapshot", "Tags": tag_list(find_snapshot_tags(volume, now))},
                ],
            }
            try:
                made = self._change(f"backup of {homes}", self.client.create_snapshot, **request)
            except ClientError as error:
                failures[homes] = str(error)
                return ""
            return str(made["SnapshotId"]) if made else ""

        with ThreadPoolExecutor(AT_ONCE) as pool:
            ids = [key for key in pool.map(make, volumes) if key]
        rows = self._await_snapshots(ids, timeout) if ids else []
        for row in rows:
            if row["State"] != "completed":
                homes = tags_of(row)[HOMES_TAG]
                failures[homes] = f"the snapshot {row['SnapshotId']} is {row['State']} after {timeout:.0f} s"
        return [row for row in rows if row["State"] == "completed"], failures

    def _await_snapshots(self, ids: Sequence[str], timeout: float) -> list[Row]:
        deadline = time.monotonic() + timeout
        while True:
            rows = find_all(self.client, "describe_snapshots", "Snapshots", SnapshotIds=list(ids))
            if all(row["State"] != "pending" for row in rows) or time.monotonic() > deadline:
                return rows
            time.sleep(2)

    def clear(self, *, keep: int, today: str) -> list[str]:
        """Delete snapshots that are too many or expired, and answer which."""
        old = find_old(self.find_snapshots(), keep=keep, today=today)
        for snapshot_id in old:
            self._change(f"no backup {snapshot_id}", self.client.delete_snapshot, SnapshotId=snapshot_id)
        return old

    def restore(
        self, snapshot: Row, find_zone: Callable[[], str], now: datetime.datetime, instances: Mapping[str, Row]
    ) -> dict[str, Any]:
        """Put a volume made of a snapshot into the place of the one that has the homes now, which is kept.

        The host must be stopped. Where there is no such volume, the new one waits for its host. A run goes on with the
        volume of one that was killed, and leaves it as it is where all is done and no host has run with it since.

        Args:
            snapshot: as EC2 describes it.
            find_zone: answers in which zone a volume is made that has no other's place.
            now: the time, for the tag of the one that is kept.
            instances: those of the deployment, by their ids, as they were before any was stopped.
        """
        homes = tags_of(snapshot)[HOMES_TAG]
        volumes = self._find_tagged(HOMES_TAG, RESTORED_TAG)
        current = find_current(volumes, homes)
        begun = [row for row in volumes if is_waiting(row) and tags_of(row)[RESTORED_TAG] == label(snapshot)]
        having = [row for row in current if row not in begun]
        old = having[0] if having else None
        told = {"homes": homes, "snapshot": snapshot["SnapshotId"], "replaced": old["VolumeId"] if old else ""}
        done = next(
            (row for row in [*having[:1], *(begun if not old else ())] if is_done(row, snapshot, instances)), None
        )
        if done:
            return {**told, "zone": done["AvailabilityZone"], "volume": done["VolumeId"], "replaced": ""}
        zone = (old or begun[0])["AvailabilityZone"] if old or begun else find_zone()
        told["zone"] = zone
        self.changes.append(f"homes of {homes}")
        if self.check_mode:
            return {**told, "volume": ""}
        tags = {key: value for key, value in tags_of(old or snapshot).items() if not key.startswith("aws:")}
        tags = {key: value for key, value in tags.items() if key not in OWN_TAGS or (old and key == TARGET_TAG)}
        new = str(begun[0]["VolumeId"]) if begun else self._make_volume(snapshot, zone, old, now)
        self._await_volume(new, "available")
        # first of all: killed from now on, there is always a volume that says whose homes it holds
        throttled(self.client.create_tags, Resources=[new], Tags=tag_list({**tags, HOMES_TAG: homes}))
        attachment = next(iter(old.get("Attachments") or ()), None) if old else None
        for row in having[:1] + [row for row in having[1:] if is_waiting(row)]:
            self._put_away(row, homes, now)
        if attachment:
            request = {"VolumeId": new, "InstanceId": attachment["InstanceId"], "Device": attachment["Device"]}
            throttled(self.client.attach_volume, **request)
            self._await_volume(new, "in-use")
        return {**told, "volume": new}

    def lend(self, snapshot: Row, instance: Row) -> dict[str, Any]:
        """Make a volume of a snapshot that a host may have for a while; those of a run that was killed go first."""
        self.give_back(instance["InstanceId"])
        labels = {
            DEPLOYMENT_TAG: self.deployment,
            LENT_TAG: instance["InstanceId"],
            "Name": f"{self.deployment}-{tags_of(snapshot)[HOMES_TAG]}-lent",
        }
        made = self._change(
            f"volume of {snapshot['SnapshotId']}",
            self.client.create_volume,
            SnapshotId=snapshot["SnapshotId"],
            AvailabilityZone=instance["Placement"]["AvailabilityZone"],
            VolumeType="gp3",
            TagSpecifications=[{"ResourceType": "volume", "Tags": tag_list(labels)}],
        )
        self._await_volume(made["VolumeId"], "available")
        folder = f"restored-{snapshot['StartTime']:%Y%m%dT%H%M%SZ}"
        return {"volume": made["VolumeId"], "snapshot": snapshot["SnapshotId"], "folder": folder}

    def attach_lent(self, volume_id: str, instance_id: str) -> None:
        """Attach what was lent."""
        throttled(self.client.attach_volume, VolumeId=volume_id, InstanceId=instance_id, Device=LENT_DEVICE)
        self._await_volume(volume_id, "in-use")
        self.changes.append(f"{volume_id} at {instance_id}")

    def give_back(self, instance_id: str) -> None:
        """Delete what was lent to a host."""
        asked = filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment], f"tag:{LENT_TAG}": [instance_id]})
        for row in find_all(self.client, "describe_volumes", "Volumes", Filters=asked):
            if row.get("Attachments"):
                self._detach(row)
            if row["State"] != "error":
                # AWS deletes none that it is still making
                self._await_volume(row["VolumeId"], "available")
            self._change(f"no volume {row['VolumeId']}", self.client.delete_volume, VolumeId=row["VolumeId"])

    def _make_volume(self, snapshot: Row, zone: str, old: Row | None, now: datetime.datetime) -> str:
        """Make the volume; a run that was killed after it finds it again by the tag, or at once by the token."""
        seed = f"{self.deployment} {snapshot['SnapshotId']} {old['VolumeId'] if old else zone} {now:%Y-%m-%dT%H}"
        name = f"{self.deployment}-{tags_of(snapshot)[HOMES_TAG]}-restored"
        labels = {DEPLOYMENT_TAG: self.deployment, RESTORED_TAG: label(snapshot), "Name": name}
        made = throttled(
            self.client.create_volume,
            SnapshotId=snapshot["SnapshotId"],
            AvailabilityZone=zone,
            VolumeType="gp3",
            Size=max(int(snapshot["VolumeSize"]), int(old["Size"]) if old else 0),
            ClientToken=hashlib.sha256(seed.encode()).hexdigest()[:32],
            TagSpecifications=[{"ResourceType": "volume", "Tags": tag_list(labels)}],
        )
        return str(made["VolumeId"])

    def _put_away(self, old: Row, homes: str, now: datetime.datetime) -> None:
        """Take a volume from its host, and say by its tags that it was replaced."""
        key = old["VolumeId"]
        if old.get("Attachments"):
            self._detach(old)
            self._await_volume(key, "available")
        stamp = f"{homes} until {now:%Y-%m-%dT%H:%M:%SZ}"
        labels = {REPLACED_TAG: stamp, "Name": f"{self.deployment}-{homes}-replaced"}
        throttled(self.client.create_tags, Resources=[key], Tags=tag_list(labels))
        throttled(self.client.delete_tags, Resources=[key], Tags=[{"Key": tag} for tag in GONE_TAGS])

    def _detach(self, volume: Row) -> None:
        item = volume["Attachments"][0]
        request = {"VolumeId": volume["VolumeId"], "InstanceId": item["InstanceId"], "Device": item["Device"]}
        throttled(self.client.detach_volume, **request)

    def _await_volume(self, volume_id: str, state: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            [row] = throttled(self.client.describe_volumes, VolumeIds=[volume_id])["Volumes"]
            if row["State"] == state:
                return
            if time.monotonic() > deadline:
                raise VaultError(
                    f"the volume {volume_id} is {row['State']}, not {state}, after {PATIENCE} s\n"
                    "Fix: look at it in the EC2 console, and run the same command again"
                )
            time.sleep(1)

    def _change(self, what: str, call: Callable[..., Any], **request: Any) -> Any:
        if not self.check_mode:
            self.changing.wait()
        answer = None if self.check_mode else throttled(call, **request)
        self.changes.append(what)
        return answer


def find_attached(volumes: Iterable[Row], homes: Iterable[str]) -> list[str]:
    """Answer the instances that have the volumes with these homes."""
    wanted = set(homes)
    chosen = [row for row in volumes if tags_of(row)[HOMES_TAG] in wanted]
    return sorted({item["InstanceId"] for row in chosen for item in row.get("Attachments") or ()})
