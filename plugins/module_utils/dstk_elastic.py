"""Elastic IP addresses: a host that has one keeps its address while it is stopped, and gives it back at its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, filters, tag_list, throttled
from ansible.module_utils.dstk_fleet import Fleet, LingerError, explain_error

ALREADY = "Resource.AlreadyAssociated"
GONE = "InvalidAssociationID.NotFound"


@dataclass
class Change:
    """New addresses by host, the allocations that were given back, and why hosts have none."""

    addresses: dict[str, str] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    failures: dict[str, Explanation] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        """Answer whether anything is other than before."""
        return bool(self.addresses or self.released)


def find_addresses(fleet: Fleet) -> list[dict[str, Any]]:
    """Answer the Elastic IP addresses that carry the deployment's tag."""
    by = filters({f"tag:{DEPLOYMENT_TAG}": [fleet.deployment]})
    found: list[dict[str, Any]] = throttled(fleet.client.describe_addresses, Filters=by)["Addresses"]
    return sorted(found, key=lambda address: str(address["AllocationId"]))


def ensure_kept(fleet: Fleet, ids: Sequence[str], *, timeout: float, check_mode: bool = False) -> Change:
    """See to it that each of these instances has an Elastic IP; what nothing uses is taken first, or given back."""
    found = find_addresses(fleet)
    held = {address.get("InstanceId") for address in found}
    free = [address for address in found if not address.get("AssociationId")]
    lacking = [key for key in ids if key not in held]
    change = Change()
    if check_mode:
        change.addresses = dict.fromkeys(lacking, "an Elastic IP")
        return change
    for count, instance_id in enumerate(lacking):
        try:
            address = free.pop(0) if free else _allocate(fleet)
            _associate(fleet, str(address["AllocationId"]), instance_id)
        except ClientError as error:
            # what is refused to one is refused to all that follow
            change.failures = dict.fromkeys(lacking[count:], explain_error(error))
            break
        change.addresses[instance_id] = str(address["PublicIp"])
    change.released = _release(fleet, free)
    wanted = dict(change.addresses)
    change.addresses = _await(fleet, wanted, lambda key, address: address == wanted[key], timeout)
    return change


def ensure_given_back(fleet: Fleet, ids: Sequence[str], *, timeout: float, check_mode: bool = False) -> Change:
    """See to it that none of these instances has an Elastic IP; AWS gives each another address in its place."""
    found = find_addresses(fleet)
    ending = [item for item in found if not item.get("AssociationId") or item.get("InstanceId") in ids]
    change = Change(released=[str(address["AllocationId"]) for address in ending])
    if check_mode:
        return change
    _release(fleet, ending)
    before = {str(item["InstanceId"]): str(item["PublicIp"]) for item in ending if item.get("InstanceId")}
    change.addresses = _await(fleet, before, lambda key, address: bool(address) and address != before[key], timeout)
    return change


def end_addresses(fleet: Fleet, ids: Collection[str] | None = None) -> list[str]:
    """Give back the Elastic IPs of instances that have ended, and those that nothing uses; all if none are named."""
    found = find_addresses(fleet)
    if ids is not None:
        found = [item for item in found if not item.get("AssociationId") or item.get("InstanceId") in ids]
    return _release(fleet, found)


def _allocate(fleet: Fleet) -> dict[str, Any]:
    tags = tag_list({DEPLOYMENT_TAG: fleet.deployment, "Name": fleet.deployment})
    fleet.changing.wait()
    made: dict[str, Any] = throttled(
        fleet.client.allocate_address,
        Domain="vpc",
        TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}],
    )
    return made


def _associate(fleet: Fleet, allocation_id: str, instance_id: str) -> None:
    fleet.changing.wait()
    try:
        throttled(
            fleet.client.associate_address,
            AllocationId=allocation_id,
            InstanceId=instance_id,
            AllowReassociation=False,
        )
    except ClientError as error:
        if error_code(error) != ALREADY:  # the answer to the first try was lost
            raise


def _release(fleet: Fleet, addresses: Iterable[Mapping[str, Any]]) -> list[str]:
    released = []
    for address in addresses:
        if address.get("AssociationId"):
            fleet.changing.wait()
            try:
                throttled(fleet.client.disassociate_address, AssociationId=address["AssociationId"])
            except ClientError as error:
                if error_code(error) != GONE:  # it goes with its instance
                    raise
        fleet.changing.wait()
        throttled(fleet.client.release_address, AllocationId=address["AllocationId"])
        released.append(str(address["AllocationId"]))
    return released


def _await(fleet: Fleet, ids: Collection[str], is_there: Callable[[str, str], bool], timeout: float) -> dict[str, str]:
    """Answer the addresses of instances as soon as DescribeInstances, by which the inventory goes, has them all."""
    deadline = time.monotonic() + timeout
    while ids:
        seen = {item["InstanceId"]: str(item.get("PublicIpAddress", "")) for item in fleet.find()}
        late = [key for key in ids if not is_there(key, seen.get(key, ""))]
        if not late:
            return {key: seen[key] for key in ids}
        if time.monotonic() >= deadline:
            raise LingerError(
                f"{', '.join(late[:5])} have no new address after {timeout:.0f} s\n"
                "Fix: stop the hosts and start them again (`dstk stop`, `dstk start`): a start gives them one"
            )
        time.sleep(1)
    return {}
