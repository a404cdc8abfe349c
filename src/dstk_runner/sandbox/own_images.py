"""Machine images of the account's own: made of an instance, pending until its disks are copied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidTaggableResourceType
from moto.ec2.models.amis import Ami
from moto.ec2.utils import random_ami_id

from dstk_runner.sandbox.lifecycle import SandboxInstance
from dstk_runner.sandbox.machine_images import MachineImage, MachineImages

#: What an instance may be doing when an image is made of it.
_COPIED = ("running", "stopped")


class OwnImages(MachineImages):
    """EC2 whose images of instances take their time, hold what the instance held, and keep their snapshots."""

    def create_image(
        self, instance_id: str, name: str, description: str, tag_specifications: list[dict[str, Any]]
    ) -> Ami:
        """Begin to make an image of an instance; the reconciler ends it."""
        instance = self.get_instance(instance_id)
        if instance.state not in _COPIED:
            message = f"The instance '{instance_id}' is not in a state from which an image can be made."
            raise EC2ClientError("IncorrectState", message)
        for image in self.amis.values():
            if image.name == name and image.owner_id == self.account_id:
                message = f"AMI name {name} is already in use by AMI {image.id}"
                raise EC2ClientError("InvalidAMIName.Duplicate", message)
        tags = {"image": dict[str, str](), "snapshot": dict[str, str]()}
        for specification in tag_specifications:
            if specification["ResourceType"] not in tags:
                raise InvalidTaggableResourceType(specification["ResourceType"])
            tags[specification["ResourceType"]] |= _read_tags(specification["Tags"])
        root_device, root = next(iter(instance.block_device_mapping.items()))
        image = MachineImage(
            self,
            random_ami_id(),
            instance=instance,
            name=name,
            description=description,
            state="pending",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name=root_device,
            image_location=f"{self.account_id}/{name}",
            region_name=f"{self.region_name}a",
            boot_mode="uefi-preferred" if instance.architecture == "x86_64" else "uefi",
            tags=tags["image"],
            snapshot_description=f"Created by CreateImage({instance_id})",
        )
        image.ebs_snapshot.volume.size = self.get_volume(root.volume_id).size
        image.ebs_snapshot.add_tags(tags["snapshot"])
        self.amis[image.id] = image
        return image

    def find_own_images(self) -> list[MachineImage]:
        """Return the images that were made of instances."""
        return [image for image in self.amis.values() if isinstance(image, MachineImage) and image.instance_id]


def find_own_image(instance: SandboxInstance) -> str:
    """Return the id of the image of the account's own that an instance was launched from; none is an empty text."""
    image = instance.ec2_backend.amis.get(instance.image_id)
    return str(image.id) if image is not None and image.instance_id else ""


def _read_tags(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {row["Key"]: row["Value"] for row in rows}
