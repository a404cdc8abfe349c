"""Machine images of the account's own, with Docker and a notebook image inside: found, chosen, made, removed."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import error_code, filters, find_all, tag_list, tags_of, throttled

BAKED_TAG = "dstk:baked"
"""`<Ubuntu version>/<architecture>`, as in 24.04/x86_64."""
NOTEBOOK_TAG = "dstk:notebook-image"
OURS = [{"Name": "tag-key", "Values": [BAKED_TAG]}]
LOOK_SECONDS = 2
"""Between two looks at an image that is being made, which takes AWS minutes."""
GONE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound"})


class BakeError(Exception):
    """An image that does not come to be; the message says why, and what to do."""


def find_baked(client: Any, *, snapshot_usd: float | None = None) -> list[dict[str, Any]]:
    """Answer the account's baked images in this region, in whatever state, the newest first.

    Args:
        client: of EC2.
        snapshot_usd: USD for a GB and month of a snapshot; None where nobody knows it.
    """
    found = throttled(client.describe_images, Owners=["self"], Filters=OURS)["Images"]
    newest_first = sorted(found, key=lambda image: str(image["CreationDate"]), reverse=True)
    return [describe(image, snapshot_usd=snapshot_usd) for image in newest_first]


def describe(image: Mapping[str, Any], *, snapshot_usd: float | None = None) -> dict[str, Any]:
    """Answer what dstk tells of an image.

    `size` is that of its disk in GB, not of what is used of it; `usd_month` is of all of that, so the most that AWS
    bills, and None where the price is not known.
    """
    tags = tags_of(image)
    ubuntu, _, architecture = tags.get(BAKED_TAG, "").partition("/")
    disks = [mapping["Ebs"] for mapping in image.get("BlockDeviceMappings", []) if "Ebs" in mapping]
    size = sum(int(disk.get("VolumeSize") or 0) for disk in disks)
    return {
        "image_id": image["ImageId"],
        "name": image.get("Name", ""),
        "state": image["State"],
        "created": str(image.get("CreationDate", "")),
        "ubuntu": ubuntu,
        "architecture": architecture,
        "notebook_image": tags.get(NOTEBOOK_TAG, ""),
        "size": size,
        "usd_month": None if snapshot_usd is None or not size else round(size * snapshot_usd, 2),
        "root_device_name": image.get("RootDeviceName", ""),
        "snapshots": [disk["SnapshotId"] for disk in disks if disk.get("SnapshotId")],
    }


def choose_baked(
    baked: Iterable[Mapping[str, Any]], *, ubuntu: str, notebook_image: str, volume_size: int
) -> dict[str, dict[str, Any]]:
    """Answer the newest image that fits, by architecture, as dstk_types.find_images answers Ubuntu's own.

    Args:
        baked: images, the newest first.
        ubuntu: the version of Ubuntu that is asked for.
        notebook_image: the image that has to be inside.
        volume_size: GB of the disk it is for, which cannot be smaller than the image's.
    """
    fitting: dict[str, dict[str, Any]] = {}
    for row in baked:
        fits = row["ubuntu"] == ubuntu and row["notebook_image"] == notebook_image and row["size"] <= volume_size
        if fits and row["state"] == "available":
            told = {key: row[key] for key in ("image_id", "root_device_name", "name", "notebook_image")}
            fitting.setdefault(row["architecture"], {**told, "baked": row["created"]})
    return fitting


def find_spare(baked: Iterable[Mapping[str, Any]], *, keep: int) -> list[dict[str, Any]]:
    """Answer the images that are not kept: what failed, and what is older than the newest `keep` of its kind.

    A kind is an architecture and a notebook image whatever its tag, so that one course leaves another's alone.
    """
    seen: dict[tuple[str, str], int] = {}
    spare = []
    for row in baked:
        kind = (row["architecture"], find_repository(row["notebook_image"]))
        if row["state"] == "available":
            seen[kind] = seen.get(kind, 0) + 1
        if row["state"] == "failed" or (row["state"] == "available" and seen[kind] > keep):
            spare.append(dict(row))
    return spare


def find_repository(image: str) -> str:
    """Answer the name of an image without tag and digest; a registry's port is no tag."""
    path = image.partition("@")[0]
    head, _, tail = path.rpartition(":")
    return head if head and "/" not in tail else path


@dataclass
class Bakery:
    """Makes images of instances, and removes them."""

    client: Any

    def make(
        self, instance_id: str, *, ubuntu: str, architecture: str, notebook_image: str, timeout: float
    ) -> dict[str, Any]:
        """Make an image of an instance that is stopped, and answer it when it can be launched from.

        Raises:
            BakeError: AWS does not finish it, or says that it failed.
        """
        moment = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"
        # of this instance: the name tells whether a lost answer was to this call
        name = f"dstk-{ubuntu}-{architecture}-{moment}-{instance_id[-6:]}"
        tags = tag_list({"Name": name, BAKED_TAG: f"{ubuntu}/{architecture}", NOTEBOOK_TAG: notebook_image})
        image_id = self._create(
            InstanceId=instance_id,
            Name=name,
            Description=f"Ubuntu {ubuntu} with {notebook_image}, by dstk"[:255],
            BlockDeviceMappings=[{"DeviceName": device, "NoDevice": ""} for device in self._find_others(instance_id)],
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
        )
        deadline = time.monotonic() + timeout
        while True:
            row = self._look(image_id)
            if row["state"] == "available":
                return row
            if row["state"] != "pending":
                self.remove(row)
                raise BakeError(f"AWS could not make the image {image_id}: {row['state']}\nFix: run dstk bake again")
            if time.monotonic() >= deadline:
                raise BakeError(
                    f"the image {image_id} is not there after {timeout:.0f} s\n"
                    "Fix: look at it with `dstk bake --list`; AWS goes on with it, and `up` takes it when it is there"
                )
            time.sleep(LOOK_SECONDS)

    def remove(self, row: Mapping[str, Any]) -> None:
        """Remove an image and its snapshots; what is gone already is fine."""
        with passing_over(GONE):
            throttled(self.client.deregister_image, ImageId=row["image_id"])
        for snapshot in row["snapshots"]:
            with passing_over(GONE):
                throttled(self.client.delete_snapshot, SnapshotId=snapshot)

    def remove_orphans(self) -> list[str]:
        """Remove snapshots whose image is gone, which a killed run left, and answer them."""
        images = find_baked(self.client)
        if any(row["state"] == "pending" for row in images):
            return []  # its snapshots cannot be told from those of none
        used = {snapshot for row in images for snapshot in row["snapshots"]}
        found = find_all(self.client, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=OURS)
        orphans = [item["SnapshotId"] for item in found if item["SnapshotId"] not in used]
        for snapshot in orphans:
            with passing_over(GONE):
                throttled(self.client.delete_snapshot, SnapshotId=snapshot)
        return orphans

    def _create(self, **request: Any) -> str:
        request = {key: value for key, value in request.items() if value}
        try:
            return str(throttled(self.client.create_image, **request)["ImageId"])
        except ClientError as error:
            # the answer to an earlier try was lost: nobody else has an image of this name
            if error_code(error) != "InvalidAMIName.Duplicate":
                raise
        [image] = throttled(self.client.describe_images, Owners=["self"], Filters=filters({"name": [request["Name"]]}))[
            "Images"
        ]
        return str(image["ImageId"])

    def _find_others(self, instance_id: str) -> list[str]:
        """Answer the disks of an instance that are not its root, and in no image."""
        found = throttled(self.client.describe_instances, InstanceIds=[instance_id])
        instance = found["Reservations"][0]["Instances"][0]
        devices = [mapping["DeviceName"] for mapping in instance.get("BlockDeviceMappings", [])]
        return [device for device in devices if device != instance.get("RootDeviceName")]

    def _look(self, image_id: str) -> dict[str, Any]:
        """Answer an image; one that is not to be seen yet is pending."""
        found: Sequence[Mapping[str, Any]] = []
        with passing_over({"InvalidAMIID.NotFound"}):
            found = throttled(self.client.describe_images, ImageIds=[image_id])["Images"]
        return describe(found[0]) if found else {"image_id": image_id, "state": "pending", "snapshots": []}


@contextlib.contextmanager
def passing_over(codes: Iterable[str]) -> Any:
    """Let errors of AWS with these codes pass."""
    try:
        yield
    except ClientError as error:
        if error_code(error) not in codes:
            raise
