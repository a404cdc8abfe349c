"""One instance for one student: found by its tags, else launched under a token that a repeated run draws again."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import (
    DEPLOYMENT_TAG,
    STUDENT_TAG,
    error_code,
    filters,
    find_all,
    tag_list,
    throttled,
)

LIVE = ("pending", "running", "stopping", "stopped")
ENDED = ("shutting-down", "terminated")
NEXT_ZONE = frozenset({"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientFreeAddressesInSubnet"})
VISIBLE_SECONDS = 20
"""How long a launched instance may stay out of sight: DescribeInstances is eventually consistent for some seconds."""


class LaunchError(Exception):
    """A launch that AWS accepted and did not carry out; the message says why, and what to do."""


@dataclass(frozen=True)
class Seat:
    """Whom an instance is for, and what stands on it."""

    deployment: str
    student: str

    @property
    def tags(self) -> dict[str, str]:
        """What the instance is found by."""
        return {DEPLOYMENT_TAG: self.deployment, STUDENT_TAG: self.student}

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The same as DescribeInstances wants it."""
        return filters({f"tag:{key}": [value] for key, value in self.tags.items()})


def find_instances(client: Any, by: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer instances by filters, ended ones included as long as AWS shows them (about an hour), oldest first."""
    reservations = find_all(client, "describe_instances", "Reservations", Filters=by)
    instances = [instance for reservation in reservations for instance in reservation["Instances"]]
    return sorted(instances, key=lambda instance: (str(instance["LaunchTime"]), instance["InstanceId"]))


def state_of(instance: Mapping[str, Any]) -> str:
    """Answer the name of an instance's state."""
    return str(instance["State"]["Name"])


def client_token(seat: Seat, zone: str, generations: Iterable[str]) -> str:
    """Derive the token of a launch from the seat, the zone and what was there before.

    A run that was killed after RunInstances had been sent draws the same token when it is repeated, so that AWS
    answers with the instance which it made then. A new generation (the former instance was terminated) draws a new
    one. 64 characters is what AWS takes.
    """
    text = "\0".join(["dstk", seat.deployment, seat.student, zone, *sorted(generations)])
    return hashlib.sha256(text.encode()).hexdigest()


def launch(
    client: Any,
    seat: Seat,
    parameters: Mapping[str, Any],
    subnets: Sequence[Mapping[str, str]],
    *,
    gone: Iterable[str],
) -> dict[str, Any]:
    """Launch one instance, in the first zone that has capacity, and answer it."""
    for subnet in subnets[:-1]:
        try:
            return _launch_in(client, seat, parameters, subnet, gone)
        except ClientError as error:
            if error_code(error) not in NEXT_ZONE:
                raise
    return _launch_in(client, seat, parameters, subnets[-1], gone)


def run_parameters(
    *,
    seat: Seat,
    image: Mapping[str, Any],
    instance_type: str,
    volume_size: int,
    key_name: str,
    security_group_ids: Sequence[str],
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Build what RunInstances is asked for, without subnet and token."""
    labels = tag_list({**tags, **seat.tags})
    return {
        "ImageId": image["image_id"],
        "InstanceType": instance_type,
        "KeyName": key_name,
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceInitiatedShutdownBehavior": "stop",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "BlockDeviceMappings": [
            {
                "DeviceName": image["root_device_name"],
                "Ebs": {"VolumeSize": volume_size, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
            }
        ],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
                "Groups": list(security_group_ids),
            }
        ],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": labels} for kind in ("instance", "volume", "network-interface")
        ],
    }


def _launch_in(
    client: Any, seat: Seat, parameters: Mapping[str, Any], subnet: Mapping[str, str], gone: Iterable[str]
) -> dict[str, Any]:
    generations = set(gone)
    interface = {**parameters["NetworkInterfaces"][0], "SubnetId": subnet["id"]}
    request = {**parameters, "NetworkInterfaces": [interface]}
    while True:
        token = client_token(seat, subnet["zone"], generations)
        try:
            instance = throttled(client.run_instances, ClientToken=token, **request)["Instances"][0]
        except ClientError as error:
            if error_code(error) != "IdempotentParameterMismatch":
                raise
            # an earlier run launched under this token what was wished for then: a newer image or another type since
            instance = _find_launched(client, token)
            if instance is None:
                generations.add(f"unseen {token}")
                continue
        if state_of(instance) in LIVE:
            return instance
        generations.add(instance["InstanceId"])


def _find_launched(client: Any, token: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + VISIBLE_SECONDS
    while time.monotonic() < deadline:
        if found := find_instances(client, filters({"client-token": [token]})):
            return found[-1]
        time.sleep(1)
    return None


def wait_for_state(client: Any, instance_id: str, state: str, *, timeout: float) -> dict[str, Any]:
    """Ask every second until the instance is in the state, a running one with an address, and answer it.

    Raises LaunchError where it ends instead, or where the time (in seconds) is up.
    """
    deadline = time.monotonic() + timeout
    seen = "not to be seen yet"
    while time.monotonic() < deadline:
        for instance in find_instances(client, filters({"instance-id": [instance_id]})):
            seen = state_of(instance)
            if seen == state and (state != "running" or instance.get("PublicIpAddress")):
                return instance
            if seen in ENDED and state not in ENDED:
                raise LaunchError(_why_ended(instance))
        time.sleep(1)
    raise LaunchError(
        f"instance {instance_id} is {seen} after {timeout:.0f} s and should be {state}\n"
        "Fix: run the same command again; if it stays, look at the instance's status checks in the EC2 console"
    )


def _why_ended(instance: Mapping[str, Any]) -> str:
    reason = instance.get("StateReason", {}).get("Message") or "AWS gives no reason"
    return (
        f"AWS ended instance {instance['InstanceId']} while it was starting: {reason}\n"
        "Fix: see to the reason (volume limits and encryption keys are the usual ones), and run the same command again"
    )
