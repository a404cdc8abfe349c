"""Checks before hosts get another type: what cannot be is known while they still run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dstk_runner.aws import make_client
from dstk_runner.checks_class import find_instances, find_kinds, find_zones
from dstk_runner.checks_quotas import find_vcpu_quota, judge_vcpus
from dstk_runner.config import Config
from dstk_runner.needs import AWAKE
from dstk_runner.project import load_seats
from dstk_runner.remedies import explain
from dstk_runner.resources import TAG
from dstk_runner.results import Check

__all__ = ["check_resize"]


def check_resize(config: Config, name: str) -> list[Check]:
    """Say whether the hosts of a run can be of a type: whether it exists, fits their disks and zones, and the quota.

    Raises:
        DstkError: AWS could not be asked.
    """
    try:
        client, quotas = make_client("ec2", config.region), make_client("service-quotas", config.region)
        zones = find_zones(client, [name])
        if not zones[name]:
            message = f"{config.region} offers no {name}"
            return [Check(name="type", status="fail", message=message, fix="such as t3.large", request=True)]
        instances = find_instances(client)
        # of a spot instance the type stays; the run says so of each
        meant = [item for item in instances if _is_meant(config, item) and item.get("InstanceLifecycle") != "spot"]
        chosen = [item for item in meant if item["InstanceType"] != name]
        if trouble := _find_misfit(client, name, zones[name], chosen):
            return [trouble]
        kinds = find_kinds(client, [name, *(item["InstanceType"] for item in chosen)], zones)
        ids = {item["InstanceId"] for item in chosen}
        others = [item for item in instances if item["State"]["Name"] in AWAKE and item["InstanceId"] not in ids]
        vcpus = {key: kind.vcpus for key, kind in kinds.items()}
        more = len(chosen) * kinds[name].vcpus
        return [judge_vcpus(quotas, find_vcpu_quota(name), more, others, vcpus, name)]
    except Exception as error:
        raise explain(error) from error


def _is_meant(config: Config, instance: Mapping[str, Any]) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
    seated = {seat.student for seat in load_seats().find_seats(tags)}
    return tags.get(TAG) == config.deployment and (not config.limit or bool(seated & set(config.limit)))


def _find_misfit(client: Any, name: str, zones: Sequence[str], chosen: Sequence[Mapping[str, Any]]) -> Check | None:
    """Find a host whose disk cannot start on the type, or whose zone has none of it."""
    facts = client.describe_instance_types(InstanceTypes=[name])["InstanceTypes"]
    able = {one for fact in facts for one in fact["ProcessorInfo"]["SupportedArchitectures"]}
    for item in chosen:
        key, own, zone = item["InstanceId"], item.get("Architecture"), item["Placement"]["AvailabilityZone"]
        if own and own not in able:
            message = f"{key} is a machine of {own}, and {name} is one of {', '.join(sorted(able))}"
            return Check(name="type", status="fail", message=message, fix=f"a type of {own}", request=True)
        if zone not in zones:
            message = f"{key} is in {zone}, and its disk with it; {name} is offered in {', '.join(zones)}"
            return Check(name="type", status="fail", message=message, fix=f"a type that {zone} has", request=True)
    return None
