"""What of a deployment is there: everything in AWS that carries its tag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from dstk_runner.aws import ask_all, make_client
from dstk_runner.project import load_backup, load_prices, load_schedule
from dstk_runner.remedies import explain
from dstk_runner.results import Resource

__all__ = ["BAKED", "TAG", "find_baked", "find_builders", "find_kept", "find_resources"]

TAG = "dstk:deployment"
BAKED = "dstk:baked"


@dataclass(frozen=True)
class _Kind:
    """How one kind of resource is asked for. `billed`: it costs money by being there; `own`: others' may be seen."""

    name: str
    call: str
    list: str
    id: str
    billed: bool = False
    own: bool = False
    paged: bool = True


# in the order in which they can be removed
_KINDS = (
    _Kind("instance", "describe_instances", "Reservations", "InstanceId", billed=True),
    _Kind("elastic ip", "describe_addresses", "Addresses", "AllocationId", billed=True, paged=False),
    _Kind("volume", "describe_volumes", "Volumes", "VolumeId", billed=True),
    _Kind("snapshot", "describe_snapshots", "Snapshots", "SnapshotId", billed=True, own=True),
    _Kind("image", "describe_images", "Images", "ImageId", own=True),
    _Kind("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    _Kind("key pair", "describe_key_pairs", "KeyPairs", "KeyPairId", paged=False),
    _Kind("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
    _Kind("subnet", "describe_subnets", "Subnets", "SubnetId"),
    _Kind("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
    _Kind("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    _Kind("vpc", "describe_vpcs", "Vpcs", "VpcId"),
)


def find_resources(*, deployment: str, region: str) -> tuple[Resource, ...]:
    """Ask AWS for all that carries the deployment's tag in a region; what is terminated is no more.

    Raises:
        DstkError: AWS could not be asked.
    """
    try:
        client = make_client("ec2", region)
        scheduler, iam, budgets, sts = (make_client(name, region) for name in ("scheduler", "iam", "budgets", "sts"))
        dlm = make_client("dlm", region)
        questions: list[Callable[[], list[Resource]]] = [
            *(partial(_find_kind, client, kind, deployment) for kind in _KINDS),
            partial(_find_schedules, scheduler, iam, deployment, region),
            partial(_find_backups, dlm, iam, deployment, region),
            partial(_find_budget, iam, budgets, sts, deployment, region),
        ]
        found = ask_all(questions)
    except Exception as error:
        raise explain(error) from error
    return tuple(resource for resources in found for resource in resources)


def find_builders(deployment: str) -> str:
    """Return the deployment of the host of which `dstk bake` makes an image, as playbooks/vars/builder.yml has it."""
    return f"{deployment}-bake"


def find_baked(region: str) -> tuple[Resource, ...]:
    """Ask AWS for the account's baked images in a region, which are of no deployment.

    Raises:
        DstkError: AWS could not be asked.
    """
    try:
        asked = make_client("ec2", region).describe_images(
            Owners=["self"], Filters=[{"Name": "tag-key", "Values": [BAKED]}]
        )
    except Exception as error:
        raise explain(error) from error
    kind = next(kind for kind in _KINDS if kind.name == "image")
    return tuple(sorted(replace(_read_row(kind, row, region), billed=True) for row in asked["Images"]))


def has_expiry(*, deployment: str, region: str) -> bool:
    """Say whether AWS has, or had, last snapshots of the deployment to delete: their schedule group is there.

    Raises:
        DstkError: AWS could not be asked.
    """
    try:
        scheduler = make_client("scheduler", region)
        with contextlib.suppress(scheduler.exceptions.ResourceNotFoundException):
            scheduler.get_schedule_group(Name=load_schedule().find_expiry_group(deployment))
            return True
    except Exception as error:
        raise explain(error) from error
    return False


def find_kept(*, deployment: str, region: str) -> tuple[Resource, ...]:
    """Ask AWS for the volumes with homes that no instance has: what `destroy` kept.

    Raises:
        DstkError: AWS could not be asked.
    """
    kind = next(kind for kind in _KINDS if kind.name == "volume")
    try:
        found = _find_kind(make_client("ec2", region), kind, deployment)
    except Exception as error:
        raise explain(error) from error
    return tuple(resource for resource in found if resource.homes and resource.state == "available")


def _find_schedules(scheduler: Any, iam: Any, deployment: str, region: str) -> list[Resource]:
    """Find the schedule group with its schedules, and the role by which they are carried out."""
    names = load_schedule()
    group, role = names.find_group(deployment), names.find_role(deployment, region)
    found = []
    with contextlib.suppress(scheduler.exceptions.ResourceNotFoundException):
        known = scheduler.get_schedule_group(Name=group)
        if known["State"] != "DELETING":
            pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group)
            rows = [row for page in pages for row in page["Schedules"]]
            found = [Resource(kind="schedule", id=row["Name"], state=row["State"].lower()) for row in rows]
            found.append(Resource(kind="schedule group", id=group, name=group))
    if _has_role(iam, role, deployment):
        found.append(Resource(kind="role", id=role, name=role))
    return found


def _find_backups(dlm: Any, iam: Any, deployment: str, region: str) -> list[Resource]:
    """Find the policy by which AWS makes backups, and its role; without its role there is none."""
    names = load_backup()
    role = names.find_role(deployment, region)
    if not _has_role(iam, role, deployment):
        return []
    rows = dlm.get_lifecycle_policies(TargetTags=[f"{names.TARGET_TAG}={deployment}"])["Policies"]
    found = [row for row in rows if row.get("Tags", {}).get(TAG) == deployment]
    policies = [Resource(kind="backup policy", id=row["PolicyId"], state=row["State"].lower()) for row in found]
    return [*policies, Resource(kind="role", id=role, name=role)]


def _has_role(iam: Any, role: str, deployment: str) -> bool:
    """Say whether a role is there, and the deployment's: the name may be somebody else's."""
    try:
        tags = {tag["Key"]: tag["Value"] for tag in iam.get_role(RoleName=role)["Role"].get("Tags", ())}
    except iam.exceptions.NoSuchEntityException:
        return False
    return tags.get(TAG) == deployment


def _find_budget(iam: Any, budgets: Any, sts: Any, deployment: str, region: str) -> list[Resource]:
    """Find the AWS Budget with its actions, and its role and policy; without its role there is none of it."""
    names = load_schedule()
    role, budget = names.find_budget_role(deployment, region), names.find_budget(deployment, region)
    if not _has_role(iam, role, deployment):
        return []
    found = [Resource(kind="role", id=role, name=role)]
    caller, hold = sts.get_caller_identity(), names.find_hold(deployment, region)
    arn = f"arn:{caller['Arn'].split(':')[1]}:iam::{caller['Account']}:policy{names.PATH}{hold}"
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        if {"Key": TAG, "Value": deployment} in iam.get_policy(PolicyArn=arn)["Policy"].get("Tags", ()):
            found.append(Resource(kind="policy", id=arn, name=hold))
    place = {"AccountId": caller["Account"], "BudgetName": budget}
    with contextlib.suppress(budgets.exceptions.NotFoundException):
        actions = budgets.describe_budget_actions_for_budget(**place, MaxResults=100)["Actions"]
        found += [Resource(kind="budget action", id=item["ActionId"], name=budget) for item in actions]
        found.append(Resource(kind="budget", id=budget, name=budget))
    return found


def _find_kind(client: Any, kind: _Kind, deployment: str) -> list[Resource]:
    options: dict[str, Any] = {"Filters": [{"Name": f"tag:{TAG}", "Values": [deployment]}]}
    if kind.own:
        options["Owners" if kind.name == "image" else "OwnerIds"] = ["self"]
    if kind.paged:
        rows = [row for page in client.get_paginator(kind.call).paginate(**options) for row in page[kind.list]]
    else:
        rows = getattr(client, kind.call)(**options)[kind.list]
    if kind.name == "instance":
        rows = [row for reservation in rows for row in reservation["Instances"]]
    resources = [_read_row(kind, row, client.meta.region_name) for row in rows]
    return sorted(resource for resource in resources if resource.state not in ("terminated", "deleted"))


def _read_row(kind: _Kind, row: Mapping[str, Any], region: str) -> Resource:
    tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags") or row.get("TagSet") or ()}
    size = int(row.get("Size") or row.get("VolumeSize") or 0) or _find_image_size(row)
    name = tags.get("Name") or row.get("GroupName") or (row.get("KeyName") if kind.name == "key pair" else "") or ""
    return Resource(
        kind=kind.name,
        id=row[kind.id],
        name=name,
        state=_state(row),
        billed=kind.billed,
        kept=kind.name == "snapshot" and load_backup().KIND_TAG in tags,
        # what a restore replaced is no host's any more, and may still be somebody's work
        homes=tags.get("dstk:homes", tags.get("dstk:replaced", "")) if kind.name in ("volume", "snapshot") else "",
        gigabytes=size,
        expires=tags.get("dstk:expires", ""),
        usd_month=_find_price(kind.name, region, size),
    )


def _find_image_size(row: Mapping[str, Any]) -> int:
    """Add up the disks of an image, each of which is a snapshot."""
    return sum(int(disk.get("Ebs", {}).get("VolumeSize") or 0) for disk in row.get("BlockDeviceMappings", ()))


def _find_price(kind: str, region: str, gigabytes: int) -> float | None:
    """Find what a volume costs a month by dstk's own table, or a snapshot, or an image, that was written to its end."""
    prices = load_prices()
    item = {"volume": prices.GP3, "snapshot": prices.SNAPSHOT, "image": prices.SNAPSHOT}.get(kind)
    usd = _load_table().find(item, region).usd if item and gigabytes else None
    return None if usd is None else round(usd * gigabytes, 2)


@cache
def _load_table() -> Any:
    return load_prices().load_prices()


def _state(row: Mapping[str, Any]) -> str:
    state = row.get("State") or row.get("Status") or ""
    return str(state.get("Name", "")) if isinstance(state, Mapping) else str(state)
