"""Hosts get another instance type: what cannot be is refused before any of them is stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_ec2 import tags_of, throttled
from ansible.module_utils.dstk_fleet import Fleet, explain_error
from ansible.module_utils.dstk_launch import state_of
from ansible.module_utils.dstk_seats import find_seats
from ansible.module_utils.dstk_spot import is_spot
from ansible.module_utils.dstk_types import find_types


class WrongTypeError(Exception):
    """A type that hosts cannot have; the message says why, and what to do."""


def find_misfits(name: str, kind: Mapping[str, Any] | None, instances: Sequence[Mapping[str, Any]]) -> str:
    """Answer why instances cannot be of a type, with the remedy; nothing where they can.

    Args:
        name: the type.
        kind: architecture and zones of it, as `find_types` answers them; None where the region does not know it.
        instances: as DescribeInstances has them.
    """
    if kind is None or not kind["zones"]:
        return f"the region does not offer the instance type {name}\nFix: choose another, such as t3.large"
    for instance in instances:
        key, zone = instance["InstanceId"], instance["Placement"]["AvailabilityZone"]
        own = str(instance.get("Architecture", kind["architecture"]))
        if own != kind["architecture"]:
            return (
                f"{key} is a machine of {own}, and {name} is one of {kind['architecture']}: its disk would not start\n"
                f"Fix: choose a type of {own}"
            )
        if zone not in kind["zones"]:
            return (
                f"{key} is in {zone}, and its disk with it, and {name} is offered in {', '.join(kind['zones'])} only\n"
                "Fix: choose a type that its zone has"
            )
    return ""


def ensure_type(
    fleet: Fleet, instances: Sequence[Mapping[str, Any]], name: str, *, timeout: float, check_mode: bool = False
) -> tuple[list[str], dict[str, Explanation]]:
    """Stop the instances that are of another type, and make them of this one; they are not started here.

    The type of a spot instance cannot be changed: such a one is not touched, and answered among the refused.
    Repeated after an interruption it does what is left: a stopped instance is not stopped again.

    Returns:
        The instances that were changed, and why others were not, by id.

    Raises:
        WrongTypeError: one of them cannot be of this type; none was stopped.
    """
    others = [item for item in instances if item["InstanceType"] != name]
    refused = {item["InstanceId"]: _why_not_spot(item, name) for item in others if is_spot(item)}
    differing = [item for item in others if not is_spot(item)]
    if not differing:
        return [], refused
    if trouble := find_misfits(name, find_types(fleet.client, [name]).get(name), differing):
        raise WrongTypeError(trouble)
    ids = [item["InstanceId"] for item in differing]
    if check_mode:
        return ids, refused
    if running := [item["InstanceId"] for item in differing if state_of(item) != "stopped"]:
        fleet.stop(running, timeout=timeout)
    for instance_id in ids:
        fleet.changing.wait()
        try:
            throttled(fleet.client.modify_instance_attribute, InstanceId=instance_id, InstanceType={"Value": name})
        except ClientError as error:
            refused[instance_id] = explain_error(error)
    return [key for key in ids if key not in refused], refused


def _why_not_spot(instance: Mapping[str, Any], name: str) -> Explanation:
    return Explanation(
        f"{instance['InstanceId']} is a spot instance, whose type AWS never changes; it was not touched",
        f"write `instance_type: {name}` into dstk.yml, and run `dstk destroy` and `dstk up`: homes stay, and new hosts "
        "get them",
    )


def choose(
    instances: Sequence[Mapping[str, Any]], named: set[str], what: str
) -> tuple[list[Mapping[str, Any]], list[dict[str, str]]]:
    """Answer the instances on which none but those who are named sit, all where nobody is, and whom that leaves out.

    Args:
        instances: of the deployment.
        named: logins.
        what: what becomes of an instance that is left out, for the failures.
    """
    chosen, failures = [], []
    for instance in instances:
        seated = {seat.student for seat in find_seats(tags_of(instance))}
        others = sorted(seated - named) if named else []
        if named and not seated & named:
            continue
        if others:
            message = f"{instance['InstanceId']} is also {', '.join(others)}'s, and {what}"
            fix = "name all of its students, or nobody for all hosts"
            failures += [{"student": student, "message": message, "fix": fix} for student in sorted(seated & named)]
        else:
            chosen.append(instance)
    return chosen, failures
