"""Volumes and snapshots with AWS's manners, and with what is on them."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from moto.ec2.exceptions import EC2ClientError, InvalidVolumeIdError, VolumeInUseError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import Snapshot, Volume, VolumeAttachment
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance

from dstk_runner.sandbox.disks import Disks
from dstk_runner.sandbox.host import Disk
from dstk_runner.sandbox.wire import current_call


class BlockStorage(EC2Backend):
    """EC2 whose volumes are attached after a moment, to one instance of their zone, and keep what is written."""

    disks: ClassVar[Disks] = Disks()

    def create_volume(
        self, size: Any, zone_name: str, snapshot_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Volume:
        """Make a volume, which holds what the snapshot does, where one is named."""
        snapshot = self.snapshots.get(str(snapshot_id))
        if snapshot is not None and size is not None and int(size) < int(snapshot.volume_size):
            message = f"The parameter size ({size}) is smaller than the snapshot's ({snapshot.volume_size})."
            raise EC2ClientError("InvalidParameterValue", message)
        volume = super().create_volume(size, zone_name, snapshot_id, *args, **kwargs)
        if snapshot_id:
            self.disks.copy(snapshot_id, volume.id)
        # AWS names none of an empty volume, but says so
        volume.snapshot_id = volume.snapshot_id or ""
        return volume

    def modify_volume(self, volume_id: str, target_size: Any = None, *args: Any, **kwargs: Any) -> Volume:
        """Change a volume, which never becomes smaller."""
        volume = self.get_volume(volume_id)
        if target_size is not None and int(target_size) < int(volume.size):
            raise EC2ClientError("InvalidParameterValue", "New size cannot be smaller than existing size")
        super().modify_volume(volume_id, target_size, *args, **kwargs)
        if target_size is not None:
            self.disks.grow(volume_id, int(target_size))
        return volume

    def delete_volume(self, volume_id: str) -> Volume:
        """Delete a volume, and what is on it."""
        volume = super().delete_volume(volume_id)
        self.disks.remove(volume_id)
        return volume

    def attach_volume(
        self, volume_id: str, instance_id: str, device_path: str, delete_on_termination: bool = False
    ) -> VolumeAttachment | None:
        """Begin to attach a volume; the reconciler ends it. What a launch attaches is there when the instance runs."""
        if _is_asked("AttachVolume"):
            self._check_attachment(self.get_volume(volume_id), self.get_instance(instance_id), device_path)
        attachment = super().attach_volume(volume_id, instance_id, device_path, delete_on_termination)
        if attachment is not None and attachment.instance.state == "running":
            attachment.status = "attaching"
        return attachment

    def detach_volume(self, volume_id: str, instance_id: str, device_path: str) -> VolumeAttachment:
        """Begin to detach a volume from an instance that runs; from any other it is detached at once."""
        attachment = self.get_volume(volume_id).attachment
        if _is_asked("DetachVolume") and attachment and attachment.instance.state == "running":
            if attachment.device == attachment.instance.root_device_name:
                message = f"Unable to detach root volume '{volume_id}' from instance '{attachment.instance.id}'"
                raise EC2ClientError("OperationNotPermitted", message)
            attachment.status = "detaching"
            return attachment
        self.disks.detach(volume_id)
        return super().detach_volume(
            volume_id, instance_id or (attachment.instance.id if attachment else ""), device_path
        )

    def settle_detached(self, volume_id: str, instance_id: str) -> VolumeAttachment:
        """End detaching: the instance's machine has let go of it."""
        return super().detach_volume(volume_id, instance_id, "")

    def create_snapshot(
        self, volume_id: str, description: str, owner_id: str | None = None, from_ami: str | None = None
    ) -> Snapshot:
        """Keep what is on a volume in this moment, and how large it is."""
        snapshot = super().create_snapshot(volume_id, description, owner_id, from_ami)
        snapshot.volume = copy.copy(snapshot.volume)
        self.disks.copy(volume_id, snapshot.id)
        return snapshot

    def delete_snapshot(self, snapshot_id: str) -> Snapshot:
        """Delete a snapshot, and what it holds."""
        snapshot = super().delete_snapshot(snapshot_id)
        self.disks.remove(snapshot_id)
        return snapshot

    def _check_attachment(self, volume: Volume, instance: Instance, device: str) -> None:
        if volume.id not in self.volumes:
            raise InvalidVolumeIdError(volume.id)
        if volume.attachment:
            raise VolumeInUseError(volume.id, volume.attachment.instance.id)
        if volume.availability_zone != instance.placement.zone:
            message = f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
            raise EC2ClientError("InvalidVolume.ZoneMismatch", message)
        if instance.state not in ("running", "stopped"):
            raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
        if device in instance.block_device_mapping:
            message = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
            raise EC2ClientError("InvalidParameterValue", message)


def _is_asked(action: str) -> bool:
    """Say whether a user asks for it, and it is not what a launch or an end brings with it."""
    call = current_call.get(None)
    return call is not None and call.action == action


def find_attachments(instance: Instance) -> list[VolumeAttachment]:
    """Return the attachments of an instance's volumes, without that of its root."""
    backend = instance.ec2_backend
    mappings = [(device, item) for device, item in instance.block_device_mapping.items()]
    volumes = [backend.volumes[item.volume_id] for device, item in mappings if device != instance.root_device_name]
    return [volume.attachment for volume in volumes if volume.attachment]


def find_disks(instance: Instance) -> tuple[Disk, ...]:
    """Return the volumes that an instance's machine shall have."""
    return tuple(
        Disk(item.volume.id, find_node(instance.instance_type, item.device), int(item.volume.size))
        for item in find_attachments(instance)
        if item.status != "detaching"
    )


def find_node(instance_type: str, device: str) -> str:
    """Return the name below /dev by which a machine sees a volume.

    On Nitro it is NVMe's, whose numbers nobody may rely upon; on Xen it is the one asked for, with xvd for sd.
    https://docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html
    """
    name = device.removeprefix("/dev/")
    if INSTANCE_TYPES[instance_type].get("Hypervisor") == "nitro":
        return f"nvme{ord(name[-1]) - ord('a')}n1"
    return name.replace("sd", "xvd", 1)
