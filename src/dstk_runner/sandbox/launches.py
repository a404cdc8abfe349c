"""RunInstances as AWS does it: checked, counted against the quotas, and once for each client token."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError
from moto.ec2.models.elastic_ip_addresses import ElasticAddress
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceState, Reservation
from moto.ec2.models.key_pairs import KeyPair
from moto.ec2.models.vpcs import VPC

from dstk_runner.sandbox import quotas
from dstk_runner.sandbox.machine_images import MachineImage, MachineImages
from dstk_runner.sandbox.wire import current_call

log = logging.getLogger(__name__)

#: The families that share the vCPU quota of standard instances.
STANDARD = frozenset("acdhimrtz")
NOT_STANDARD = ("dl", "hpc", "inf", "mac", "trn")
COUNTED = ("pending", "running", "stopping")


class Launches(MachineImages):
    """EC2 that checks a launch as AWS does before anything is made."""

    def __init__(self, region_name: str, account_id: str) -> None:
        """Begin with no launches."""
        super().__init__(region_name, account_id)
        self.launches: dict[str, Reservation] = {}

    def run_instances(
        self,
        image_id: str,
        count: int,
        user_data: Base64EncodedString | None,
        security_group_names: list[str],
        **kwargs: Any,
    ) -> Reservation:
        """Launch up to MaxCount instances, or answer with those that this client token launched before."""
        call = current_call.get()
        token = call.params.get("ClientToken")
        if token and token in self.launches:
            return self.launches[token]
        if kwargs.get("launch_template"):
            return super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
        image = self.find_image(image_id)
        if image is None and image_id not in self.amis:
            raise InvalidAMIIdError(image_id)
        if image is not None and image.state != "available":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is not available")
        self._check_instance_type(kwargs["instance_type"], image, zone=find_zone(self, call.params))
        if kwargs.get("key_name") and kwargs["key_name"] not in self.key_pairs:
            message = f"The key pair '{kwargs['key_name']}' does not exist"
            raise EC2ClientError("InvalidKeyPair.NotFound", message)
        if image is not None:
            kwargs["block_device_mappings"] = _complete_mappings(kwargs.get("block_device_mappings") or [], image)
        if not kwargs.get("subnet_id") and not kwargs.get("nics"):
            kwargs["subnet_id"] = self._find_default_subnet(kwargs["instance_type"], kwargs.get("placement"))
        self._check_groups(kwargs.get("security_group_ids") or [], kwargs.get("subnet_id"))
        count = self._grant_instances(kwargs["instance_type"], count, int(call.params.get("MaxCount", count)))
        try:
            reservation = super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
        except Exception as error:
            self._forget_empty_reservations()
            # moto's own words for it are no answer that AWS would give
            if str(error) == "IP already in use":
                message = f"Address {kwargs.get('private_ip')} is in use."
                raise EC2ClientError("InvalidIPAddress.InUse", message) from error
            raise
        if token:
            self.launches[token] = reservation
        return reservation

    def terminate_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """End instances, all of them or, if one of them is protected, none."""
        for instance in self.get_multi_instances_by_id(instance_ids):
            if str(instance.disable_api_termination).lower() == "true":
                message = (
                    f"The instance '{instance.id}' may not be terminated. "
                    "Modify its 'disableApiTermination' instance attribute and try again."
                )
                raise EC2ClientError("OperationNotPermitted", message)
        return super().terminate_instances(instance_ids)

    def modify_instance_attribute(self, instance_id: str, key: str, value: Any) -> Instance:
        """Change an instance; its type only while it is stopped, and only to one that fits its image and its zone."""
        if key == "instance_type":
            instance = self.get_instance(instance_id)
            if instance.state != "stopped":
                message = f"The instance '{instance_id}' is not in the 'stopped' state."
                raise EC2ClientError("IncorrectInstanceState", message)
            zone = str(instance.placement.zone)
            self._check_instance_type(value, self.find_image(instance.image_id), zone=zone)
        return super().modify_instance_attribute(instance_id, key, value)

    def allocate_address(
        self, domain: str, address: str | None = None, tags: dict[str, str] | None = None
    ) -> ElasticAddress:
        """Allocate an Elastic IP, within the quota."""
        if len(self.addresses) >= quotas.find_quota(quotas.ADDRESSES):
            raise EC2ClientError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
        return super().allocate_address(domain, address, tags)

    def create_vpc(self, *args: Any, **kwargs: Any) -> VPC:
        """Make a VPC, within the quota."""
        if len(self.vpcs) >= quotas.find_quota(quotas.VPCS):
            raise EC2ClientError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
        return super().create_vpc(*args, **kwargs)

    def import_key_pair(self, key_name: str, public_key_material: bytes, tags: dict[str, str]) -> KeyPair:
        """Import a public key in any of the forms AWS reads: ed25519 or RSA."""
        try:
            return super().import_key_pair(key_name, public_key_material, tags)
        except EC2ClientError as error:
            if error.code != "InvalidKeyPair.Format":
                raise
        except Exception as error:  # the parsers beneath raise what they like for what is no key
            log.info("no public key: %r", error)
        raise EC2ClientError("InvalidKey.Format", "Key is not in valid OpenSSH public key format")

    def _check_instance_type(self, name: str, image: MachineImage | None, *, zone: str | None) -> None:
        if name not in INSTANCE_TYPES:
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
        zones = find_zones(self.region_name, name)
        if not zones:
            message = (
                "The requested configuration is currently not supported. "
                "Please check the documentation for supported configurations."
            )
            raise EC2ClientError("Unsupported", message)
        if zone and zone not in zones:
            message = (
                f"Your requested instance type ({name}) is not supported in your requested Availability Zone ({zone}). "
                f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}."
            )
            raise EC2ClientError("Unsupported", message)
        supported = INSTANCE_TYPES[name]["ProcessorInfo"]["SupportedArchitectures"]
        if image is not None and image.architecture not in supported:
            message = (
                f"The architecture '{','.join(supported)}' of the specified instance type does not match the "
                f"architecture '{image.architecture}' of the specified AMI. Specify an instance type and an AMI that "
                "have matching architectures, and try again. You can use 'describe-instance-types' or "
                "'describe-images' to discover the architecture of the instance type or AMI."
            )
            raise EC2ClientError("InvalidParameterValue", message)

    def _find_default_subnet(self, instance_type: str, zone: str | None) -> str | None:
        """Return the default subnet of a zone: the one asked for, else the first that offers the type."""
        subnets = self.get_default_subnets()
        zones = [zone] if zone else find_zones(self.region_name, instance_type)
        return next((subnets[name].id for name in zones if name in subnets), None)

    def _check_groups(self, group_ids: list[str], subnet_id: str | None) -> None:
        if subnet_id is None:
            return
        vpc_id = self.get_subnet(subnet_id).vpc_id
        for group_id in group_ids:
            group = self.get_security_group_from_id(group_id)
            if group is not None and group.vpc_id != vpc_id:
                message = f"Security group {group_id} and subnet {subnet_id} belong to different networks."
                raise EC2ClientError("InvalidParameter", message)

    def _forget_empty_reservations(self) -> None:
        for reservation in [reservation for reservation in self.reservations.values() if not reservation.instances]:
            del self.reservations[reservation.id]

    def _grant_instances(self, instance_type: str, least: int, most: int) -> int:
        """Return how many of `least` to `most` instances the vCPU quota has room for, or refuse."""
        if not is_standard(instance_type):
            return most
        spot = current_call.get().params.get("InstanceMarketOptions.MarketType") == "spot"
        limit = quotas.find_quota(quotas.SPOT_VCPUS if spot else quotas.VCPUS)
        used = sum(
            find_vcpus(instance.instance_type)
            for instance in self.all_instances()
            if instance.state in COUNTED
            and is_standard(instance.instance_type)
            and (instance.lifecycle == "spot") == spot
        )
        granted = min(most, int((limit - used) // find_vcpus(instance_type)))
        if granted < least and spot:
            raise EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        if granted < least:
            message = (
                f"You have requested more vCPU capacity than your current vCPU limit of {limit:.0f} allows for the "
                "instance bucket that the specified instance type belongs to. Please visit "
                "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
            )
            raise EC2ClientError("VcpuLimitExceeded", message)
        return granted


def is_standard(instance_type: str) -> bool:
    """Say whether a type counts against the quota of standard instances."""
    return instance_type[0] in STANDARD and not instance_type.startswith(NOT_STANDARD)


def find_vcpus(instance_type: str) -> int:
    """Return the number of vCPUs of a type."""
    return int(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"])


def find_zones(region: str, instance_type: str) -> list[str]:
    """Return the zones of a region that offer a type."""
    offerings = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return sorted(offer["Location"] for offer in offerings if offer["InstanceType"] == instance_type)


def find_zone(backend: MachineImages, params: Mapping[str, str]) -> str | None:
    """Return the zone a launch asks for, by name or by its subnet; None if it leaves the choice to AWS."""
    subnet_id = params.get("SubnetId") or params.get("NetworkInterface.1.SubnetId")
    if subnet_id:
        return str(backend.get_subnet(subnet_id).availability_zone)
    return params.get("Placement.AvailabilityZone")


def _complete_mappings(mappings: list[dict[str, Any]], image: MachineImage) -> list[dict[str, Any]]:
    """Return the volumes to make: those asked for, and what the image says of its root where they are silent."""
    call = current_call.get()
    (default,) = image.block_device_mappings
    root = next((mapping for mapping in mappings if mapping["DeviceName"] == default["DeviceName"]), None)
    if root is None:
        return [{**default, "NoDevice": None}, *mappings]
    size, least = int(root["Ebs"].get("VolumeSize") or default["Ebs"]["VolumeSize"]), default["Ebs"]["VolumeSize"]
    if size < least:
        message = (
            f"Volume of size {size}GB is smaller than snapshot '{default['Ebs']['SnapshotId']}', "
            f"expect size >= {least}GB"
        )
        raise EC2ClientError("InvalidBlockDeviceMapping", message)
    number = next(
        key.split(".")[1]
        for key, value in call.params.items()
        if key.startswith("BlockDeviceMapping.") and key.endswith(".DeviceName") and value == root["DeviceName"]
    )
    given = {key: value for key, value in root["Ebs"].items() if value is not None}
    if not call.has(f"BlockDeviceMapping.{number}.Ebs.DeleteOnTermination"):
        given.pop("DeleteOnTermination", None)
    root["Ebs"] = {**default["Ebs"], **given}
    return mappings
