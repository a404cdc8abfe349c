"""Launches in batches, under tokens that a repeated run draws again, and where AWS has room for them."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import (
    Pace,
    error_code,
    filters,
    find_all,
    tag_list,
    tags_of,
    throttled,
)
from ansible.module_utils.dstk_seats import find_seats
from ansible.module_utils.dstk_spot import MARKET

LIVE = ("pending", "running", "stopping", "stopped")
ENDING = "shutting-down"
ENDED = (ENDING, "terminated")
NO_CAPACITY = frozenset(
    {"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientFreeAddressesInSubnet"}
)
OVER_QUOTA = frozenset({"VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"})
BATCH = 50
"""Instances in one RunInstances: few calls for a class, and small enough for a zone to have that many."""
VISIBLE_SECONDS = 20
"""How long a launched instance may stay out of sight: DescribeInstances is eventually consistent for some seconds."""


@dataclass
class Launcher:
    """Launches for one deployment; `known` are the instances that were there before, ended ones included."""

    client: Any
    deployment: str
    known: set[str] = field(default_factory=set)
    # AWS: 5 at once, 2 a second; a little less leaves room for others of the account
    pace: Pace = field(default_factory=lambda: Pace(4, 1.8))

    def launch(
        self, request: Mapping[str, Any], count: int, subnets: Sequence[Mapping[str, str]]
    ) -> tuple[list[dict[str, Any]], Exception | None]:
        """Launch up to `count` instances, a zone after the other; answer those that came, and why the rest did not."""
        launched: list[dict[str, Any]] = []
        refusal: Exception | None = None
        for index, subnet in enumerate(subnets):
            size = BATCH
            while missing := count - len(launched):
                size = min(size, missing)
                try:
                    came = self._launch_batch(request, size, subnet)
                except ClientError as error:
                    refusal = error
                    if error_code(error) in OVER_QUOTA and size > 1:
                        size //= 2  # a part of them may still fit
                        continue
                    if error_code(error) in NO_CAPACITY:
                        break
                    return launched, error
                except BotoCoreError as error:
                    return launched, error
                launched += came[:missing]
                # a zone that gave fewer has no more; only the last one is asked again, to learn why
                if len(came) < size and index < len(subnets) - 1:
                    break
        return launched, refusal if len(launched) < count else None

    def _launch_batch(self, request: Mapping[str, Any], size: int, subnet: Mapping[str, str]) -> list[dict[str, Any]]:
        interface = {**request["NetworkInterfaces"][0], "SubnetId": subnet["id"]}
        complete = {**request, "MinCount": 1, "MaxCount": size, "NetworkInterfaces": [interface]}
        own = find_seats(_requested_tags(request))
        deadline = time.monotonic() + VISIBLE_SECONDS
        while True:
            # what is asked for otherwise is no repetition
            kind = f"{request['InstanceType']}{' spot' if 'InstanceMarketOptions' in request else ''}"
            token = client_token(self.deployment, kind, subnet["zone"], self.known)
            self.pace.wait()
            try:
                instances = throttled(self.client.run_instances, ClientToken=token, **complete)["Instances"]
            except ClientError as error:
                if _awaits_profile(error) and time.monotonic() < deadline:
                    time.sleep(1)
                    continue
                if error_code(error) != "IdempotentParameterMismatch":
                    raise
                # an earlier run launched under this token what was wished for then: a newer image, a longer roster
                instances = self._find_launched(token)
            if not instances:
                self.known.add(f"unseen {token}")
                continue
            self.known |= {instance["InstanceId"] for instance in instances}
            usable = [item for item in instances if state_of(item) in LIVE and find_seats(tags_of(item)) in ([], own)]
            if usable:
                return usable

    def _find_launched(self, token: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + VISIBLE_SECONDS
        while time.monotonic() < deadline:
            if found := find_instances(self.client, filters({"client-token": [token]})):
                return found
            time.sleep(1)
        return []


def _awaits_profile(error: Any) -> bool:
    """Answer whether EC2 does not know an instance profile yet, which IAM made a moment ago."""
    return error_code(error) == "InvalidParameterValue" and "iamInstanceProfile" in str(error)


def client_token(deployment: str, instance_type: str, zone: str, known: Iterable[str]) -> str:
    """Derive the token of a launch from what is asked for and what was there before.

    A run that was killed after RunInstances had been sent draws the same token when it is repeated, so that AWS
    answers with the instances which it made then. What has come since then, and what has ended, draws a new one.
    64 characters is what AWS takes.
    """
    text = "\0".join(["dstk", deployment, instance_type, zone, *sorted(known)])
    return hashlib.sha256(text.encode()).hexdigest()


def run_parameters(
    *,
    image: Mapping[str, Any],
    instance_type: str,
    volume_size: int,
    key_name: str,
    security_group_ids: Sequence[str],
    tags: Mapping[str, str],
    instance_profile: str = "",
    user_data: str = "",
    spot: bool = False,
    data: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Build what RunInstances is asked for, without number, subnet and token; `data` are volumes beside the root."""
    labels = tag_list(tags)
    kinds = ("instance", "volume", "network-interface", *(["spot-instances-request"] if spot else []))
    return {
        **({"InstanceMarketOptions": MARKET} if spot else {}),
        **({"IamInstanceProfile": {"Name": instance_profile}} if instance_profile else {}),
        **({"UserData": user_data} if user_data else {}),
        "ImageId": image["image_id"],
        "InstanceType": instance_type,
        "KeyName": key_name,
        "InstanceInitiatedShutdownBehavior": "stop",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "BlockDeviceMappings": [
            {
                "DeviceName": image["root_device_name"],
                "Ebs": {"VolumeSize": volume_size, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
            },
            *data,
        ],
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
                "Groups": list(security_group_ids),
            }
        ],
        "TagSpecifications": [{"ResourceType": kind, "Tags": labels} for kind in kinds],
    }


def find_instances(client: Any, by: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer instances by filters, ended ones included as long as AWS shows them (about an hour), oldest first."""
    reservations = find_all(client, "describe_instances", "Reservations", Filters=by)
    instances = [instance for reservation in reservations for instance in reservation["Instances"]]
    return sorted(instances, key=lambda instance: (str(instance["LaunchTime"]), instance["InstanceId"]))


def state_of(instance: Mapping[str, Any]) -> str:
    """Answer the name of an instance's state."""
    return str(instance["State"]["Name"])


def _requested_tags(request: Mapping[str, Any]) -> dict[str, str]:
    specifications = request.get("TagSpecifications") or [{}]
    return tags_of(specifications[0])
