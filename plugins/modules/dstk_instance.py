#!/usr/bin/python
"""Module: exactly one running instance for a student, or none of a deployment."""

from __future__ import annotations

import contextlib

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, ec2_client, filters, throttled
from ansible.module_utils.dstk_launch import (
    LIVE,
    LaunchError,
    Seat,
    find_instances,
    launch,
    run_parameters,
    state_of,
    wait_for_state,
)

DOCUMENTATION = """
module: dstk_instance
short_description: Exactly one running instance for a student
version_added: "0.1.0"
author: dstk
description:
  - Makes sure that a student of a deployment has one instance and that it runs, or that the deployment has none.
  - An instance is found by its tags. One that is there is never replaced, whatever image or type is asked for now.
  - In contrast to M(amazon.aws.ec2_instance), the client token of a launch is derived from deployment, student and the
    instances that were there before. A run that is killed at any moment, or whose answer is lost, does not make a
    second instance when it is repeated.
  - Where a zone has no capacity, the next subnet is tried.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
  student:
    description: The value of the tag C(dstk:student). Required where O(state=running).
    type: str
  state:
    description: C(running) for one running instance, C(absent) for none, of any student of the deployment.
    type: str
    choices: [running, absent]
    default: running
  image:
    description: C(image_id) and C(root_device_name) of the image to launch from.
    type: dict
    suboptions:
      image_id:
        description: The image.
        type: str
        required: true
      root_device_name:
        description: The name of its root device.
        type: str
        required: true
  instance_type:
    description: The type to launch.
    type: str
  volume_size:
    description: Size of the root volume in GB.
    type: int
  subnets:
    description: C(id) and C(zone) of the subnets to launch in, tried in this order.
    type: list
    elements: dict
    suboptions:
      id:
        description: The subnet.
        type: str
        required: true
      zone:
        description: Its availability zone.
        type: str
        required: true
  security_group_ids:
    description: The security groups of the instance.
    type: list
    elements: str
  key_name:
    description: The key pair that opens the instance.
    type: str
  tags:
    description: Further tags, for instance, volume and network interface, set in the call that makes them.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait until the instance is as it should be. The state is asked for every second.
    type: int
    default: 300
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The instance runs
  dstk_instance:
    deployment: csx450
    student: student01
    image: {image_id: ami-0123456789abcdef0, root_device_name: /dev/sda1}
    instance_type: t3.medium
    volume_size: 30
    subnets: [{id: subnet-0123456789abcdef0, zone: us-west-2a}]
    security_group_ids: [sg-0123456789abcdef0]
    key_name: csx450
"""

RETURN = """
action:
  description: What was done, or in check mode would be, C(launched), C(started), C(kept) or C(terminated).
  type: str
  returned: always
instance:
  description: C(id), C(student), C(state), C(address), C(zone), C(type) and C(image_id); empty values in check mode.
  type: dict
  returned: when O(state=running)
instance_ids:
  description: The instances that were terminated.
  type: list
  elements: str
  returned: when O(state=absent)
"""


def ensure_running(module, client) -> dict:
    """Make sure of one running instance, and answer what the module returns."""
    wanted = module.params
    seat = Seat(wanted["deployment"], wanted["student"])
    found = find_instances(client, seat.filters)
    live = [instance for instance in found if state_of(instance) in LIVE]
    if len(live) > 1:
        spare = ", ".join(instance["InstanceId"] for instance in live[1:])
        module.warn(f"{seat.student} has more than one instance; the oldest is used. Terminate what is spare: {spare}")
    action = _action(live)
    before = _describe(live[0]) if live else {}
    if module.check_mode:
        after = {**(before or _planned(wanted)), "state": "running"}
        return _answer(action, before, after)
    instance = live[0] if live else _launch(client, seat, wanted, found)
    if action == "started":
        _start(client, instance, wanted["timeout"])
    instance = wait_for_state(client, instance["InstanceId"], "running", timeout=wanted["timeout"])
    return _answer(action, before, _describe(instance))


def ensure_absent(module, client) -> dict:
    """Make sure that the deployment has no instance; answer once all are terminated."""
    wanted = module.params
    by_tag = filters({f"tag:{DEPLOYMENT_TAG}": [wanted["deployment"]]})
    found = find_instances(client, by_tag)
    live = [instance["InstanceId"] for instance in found if state_of(instance) in LIVE]
    ending = [instance["InstanceId"] for instance in found if state_of(instance) == "shutting-down"]
    if not module.check_mode:
        if live:
            throttled(client.terminate_instances, InstanceIds=live)
        for instance_id in (*live, *ending):
            wait_for_state(client, instance_id, "terminated", timeout=wanted["timeout"])
    diff = {"before": {"instances": live}, "after": {"instances": []}}
    return {"changed": bool(live), "action": "terminated" if live else "kept", "instance_ids": live, "diff": diff}


def _action(live: list) -> str:
    if not live:
        return "launched"
    return "started" if state_of(live[0]) in ("stopping", "stopped") else "kept"


def _launch(client, seat: Seat, wanted: dict, found: list) -> dict:
    parameters = run_parameters(
        seat=seat,
        image=wanted["image"],
        instance_type=wanted["instance_type"],
        volume_size=wanted["volume_size"],
        key_name=wanted["key_name"],
        security_group_ids=wanted["security_group_ids"],
        tags=wanted["tags"],
    )
    return launch(client, seat, parameters, wanted["subnets"], gone=[instance["InstanceId"] for instance in found])


def _start(client, instance: dict, timeout: float) -> None:
    if state_of(instance) == "stopping":
        wait_for_state(client, instance["InstanceId"], "stopped", timeout=timeout)
    throttled(client.start_instances, InstanceIds=[instance["InstanceId"]])


def _describe(instance: dict) -> dict:
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
    return {
        "id": instance["InstanceId"],
        "student": tags.get("dstk:student", ""),
        "state": state_of(instance),
        "address": instance.get("PublicIpAddress", ""),
        "zone": instance["Placement"]["AvailabilityZone"],
        "type": instance["InstanceType"],
        "image_id": instance["ImageId"],
    }


def _planned(wanted: dict) -> dict:
    return {
        "id": "",
        "student": wanted["student"],
        "state": "running",
        "address": "",
        "zone": wanted["subnets"][0]["zone"] if wanted["subnets"] else "",
        "type": wanted["instance_type"],
        "image_id": wanted["image"]["image_id"],
    }


def _answer(action: str, before: dict, after: dict) -> dict:
    changed = action != "kept"
    diff = {"before": before, "after": after if changed else before}
    return {"changed": changed, "action": action, "instance": after, "diff": diff}


def main() -> None:
    """Run the module."""
    text = {"type": "str", "required": True}
    needed = ["student", "image", "instance_type", "volume_size", "subnets", "security_group_ids", "key_name"]
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": text,
            "student": {"type": "str"},
            "state": {"type": "str", "choices": ["running", "absent"], "default": "running"},
            "image": {"type": "dict", "options": {"image_id": text, "root_device_name": text}},
            "instance_type": {"type": "str"},
            "volume_size": {"type": "int"},
            "subnets": {"type": "list", "elements": "dict", "options": {"id": text, "zone": text}},
            "security_group_ids": {"type": "list", "elements": "str"},
            "key_name": {"type": "str", "no_log": False},
            "tags": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("state", "running", needed)],
        supports_check_mode=True,
    )
    ensure = ensure_running if module.params["state"] == "running" else ensure_absent
    try:
        answer = ensure(module, ec2_client(module))
    except LaunchError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Instances of {module.params['deployment']}")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
