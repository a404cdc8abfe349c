"""The machine images (AMIs) of the sandbox: Canonical's Ubuntu, named, dated and owned as on AWS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami

#: Canonical's account, https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
CANONICAL = "099720109477"
ROOT_SIZE = 8


@dataclass(frozen=True)
class Release:
    """A release of Ubuntu as it is published: its code name, version, volume type and the days of its images."""

    name: str
    version: str
    volume_type: str
    days: tuple[str, ...]


#: The interim release is newer than the LTS before it: who wants an LTS must ask for one.
RELEASES = (
    Release("jammy", "22.04", "gp2", ("20250712", "20260218")),
    Release("noble", "24.04", "gp3", ("20250610", "20251212", "20260904")),
    Release("questing", "25.10", "gp3", ("20260121",)),
    Release("resolute", "26.04", "gp3", ("20260428", "20261015")),
)
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


class MachineImage(Ami):
    """An image whose root volume has the size and type it is published with, and which can be searched for."""

    ebs_type = "gp3"

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The root volume as a launch makes it if nothing else is asked for."""
        ebs = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": self.ebs_snapshot.volume.size,
            "VolumeType": self.ebs_type,
            "DeleteOnTermination": True,
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": ebs}]

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """Return what a filter of DescribeImages compares; moto knows fewer filters than AWS."""
        known = {
            "root-device-type": self.root_device_type,
            "root-device-name": self.root_device_name,
            "image-type": self.image_type,
            "hypervisor": self.hypervisor,
            "description": self.description,
            "creation-date": f"{self.creation_date:%Y-%m-%dT%H:%M:%S.000Z}",
            "ena-support": "true",
            "block-device-mapping.volume-type": self.ebs_type,
            "block-device-mapping.volume-size": str(self.ebs_snapshot.volume.size),
        }
        return known[filter_name] if filter_name in known else super().get_filter_value(filter_name, method_name)


class MachineImages(EC2Backend):
    """EC2 with Canonical's images in place of moto's."""

    def _load_amis(self) -> None:
        for name, release, day, architecture in find_published():
            image = MachineImage(
                self,
                f"ami-0{hashlib.sha256(f'{self.region_name}/{name}'.encode()).hexdigest()[:16]}",
                name=name,
                description=f"Canonical, Ubuntu, {release.version}, {architecture} {release.name} image",
                owner_id=CANONICAL,
                owner_alias="amazon",
                public=True,
                virtualization_type="hvm",
                architecture=ARCHITECTURES[architecture],
                creation_date=datetime.strptime(day, "%Y%m%d").replace(hour=7, minute=5, tzinfo=UTC),
                image_location=f"amazon/{name}",
                hypervisor="xen",
                root_device_type="ebs",
                root_device_name="/dev/sda1",
                region_name=f"{self.region_name}a",
                boot_mode="uefi-preferred" if architecture == "amd64" else "uefi",
            )
            image.ebs_type = release.volume_type
            image.ebs_snapshot.volume.size = ROOT_SIZE
            self.amis[image.id] = image

    def find_image(self, image_id: str) -> MachineImage | None:
        """Return the image of that id, or None."""
        return cast("MachineImage | None", self.amis.get(image_id))


def find_published() -> Iterator[tuple[str, Release, str, str]]:
    """Yield the name, release, day and architecture of every image that is published."""
    for release in RELEASES:
        folder = "hvm-ssd" if release.volume_type == "gp2" else f"hvm-ssd-{release.volume_type}"
        for day in release.days:
            for architecture in ARCHITECTURES:
                label = f"ubuntu-{release.name}-{release.version}-{architecture}-server-{day}"
                yield f"ubuntu/images/{folder}/{label}", release, day, architecture
