#!/usr/bin/python
"""Module: every student of a class has a seat on a running instance, or the instances are gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_baked import choose_baked, find_baked
from ansible.module_utils.dstk_class import Wishes, ensure_seats
from ansible.module_utils.dstk_ec2 import ec2_client, tags_of
from ansible.module_utils.dstk_elastic import ensure_given_back, ensure_kept
from ansible.module_utils.dstk_ends import ensure_absent, ensure_released
from ansible.module_utils.dstk_fleet import Fleet, LingerError
from ansible.module_utils.dstk_launch import LIVE, state_of
from ansible.module_utils.dstk_resize import WrongTypeError, choose, ensure_type
from ansible.module_utils.dstk_seats import find_seats
from ansible.module_utils.dstk_types import find_images

DOCUMENTATION = """
module: dstk_hosts
short_description: Every student of a class has a seat on a running instance
version_added: "0.1.0"
author: dstk
description:
  - Reads the instances of a deployment once, decides from their tags who sits where, launches what is missing in
    batches, tags the seats, starts what is stopped, and waits until all run.
  - Who has a seat keeps it, and an instance that is there is never replaced, whatever image or type is asked for now.
  - In contrast to M(amazon.aws.ec2_instance), the client tokens of the launches are derived from what was there before.
    A run that is killed at any moment, or whose answer is lost, does not make an instance twice when it is repeated.
  - Where a zone has no capacity, the next subnet is tried, then the alternative types.
  - A student who cannot have a seat is answered in C(failures), and fails nobody else.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
  state:
    description:
      - C(running) for a seat for each of O(students).
      - C(stopped) to stop the instances on which none but O(students) sit, or all if none are named.
      - C(resized) to make the instances on which none but O(students) sit, or all if none are named, of
        O(instance_type). They are stopped for it, and not started again.
      - C(released) to take the seats of O(students), and to end the instances that have no seat then.
      - C(absent) for no instance, and no volume that one left behind, but for those with homes.
    type: str
    choices: [running, stopped, resized, released, absent]
    default: running
  students:
    description:
      - The class, of each C(student) (the login), C(identity), and C(instance_type) where it is not the class's.
      - Where O(state) is another than C(running), the logins.
    type: list
    elements: raw
    default: []
  limit:
    description: Logins. Only for these is something launched or started. Empty means all.
    type: list
    elements: str
    default: []
  placement:
    description: Whether a new instance is one student's or several students'.
    type: str
    choices: [dedicated, shared]
    default: dedicated
  instance_type:
    description: The type to launch, or to change to. Required where O(state) is C(running) or C(resized).
    type: str
  instance_types:
    description: Types to launch where no zone has capacity for O(instance_type), in this order.
    type: list
    elements: str
    default: []
  students_per_host:
    description: Seats of a shared instance; C(auto) is what O(notebook_memory) and O(notebook_cpus) leave room for.
    type: str
    default: auto
  notebook_memory:
    description: Memory of a notebook in MB, C(auto) for 2048.
    type: str
    default: auto
  notebook_cpus:
    description: Processors of a notebook, C(auto) for a quarter.
    type: str
    default: auto
  image_owner:
    description: The AWS account that publishes the images. Required where O(state=running).
    type: str
  image_name:
    description:
      - How it names them, with wildcards, and with C({architecture}) for the architecture of the type. The newest is
        taken. Required where O(state=running).
    type: str
  baked:
    description:
      - C(ubuntu) (the version) and C(notebook_image). The newest image of M(dstk_baked) that has these is taken in
        place of the publisher's. Empty is none.
    type: dict
    default: {}
  volume_size:
    description: Size of the root volume in GB.
    type: int
    default: 30
  home_volume_size:
    description: Size in GB of the volume with the homes of a host; C(auto) for 10 a seat. One that is smaller grows.
    type: str
    default: auto
  delete_data:
    description: Whether O(state=absent) deletes the volumes with homes as well, which stay otherwise.
    type: bool
    default: false
  final_backup:
    description: Whether a snapshot of each is taken before, which nobody needs after 30 days (its tag C(dstk:expires)).
    type: bool
    default: true
  subnets:
    description: C(id) and C(zone) of the subnets to launch in, tried in this order.
    type: list
    elements: dict
    default: []
  security_group_ids:
    description: The security groups of the instances.
    type: list
    elements: str
    default: []
  key_name:
    description: The key pair that opens the instances. Required where O(state=running).
    type: str
  instance_profile:
    description: The name of the IAM instance profile of a new instance; empty is none.
    type: str
    default: ""
  user_data:
    description: What cloud-init of a new instance runs at its first boot; empty is nothing. Its users may read it.
    type: str
    default: ""
  elastic_ip:
    description:
      - Whether an instance of this run keeps its address when it is stopped. Where that is not so any more, its Elastic
        IP is given back, and it gets another address.
    type: bool
    default: false
  spot:
    description:
      - Whether a new instance is a spot instance, of a persistent request and stopped when AWS takes it back. What is
        there stays as it is.
      - One that AWS took back and that cannot be started is replaced, whatever it is to be now. It is ended when its
        successor runs, and not where there is no capacity for one.
    type: bool
    default: false
  timeout:
    description: Seconds to wait until all instances are as they should be. They are asked for every second.
    type: int
    default: 300
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The class has its hosts
  dstk_hosts:
    deployment: csx450
    students: [{student: ada, identity: 0123456789ab}, {student: bob, identity: ba9876543210}]
    image_owner: "099720109477"
    image_name: ubuntu/images/hvm-ssd*/ubuntu-*-24.04-{architecture}-server-*
    instance_type: t3.medium
    subnets: [{id: subnet-0123456789abcdef0, zone: us-west-2a}]
    key_name: csx450
"""

RETURN = """
hosts:
  description:
    - C(id), C(address), C(zone), C(type), C(image_id), C(state), C(placement) and C(seats) (C(student), C(seat) and
      C(identity) each) of the instances on which students of the class sit. In check mode, those that would be launched
      have ids such as C(planned-01).
  type: list
  elements: dict
  returned: when O(state=running)
failures:
  description:
    - C(student), C(message) and C(fix) of those who have no seat on a running instance, or whose instance is not
      stopped or changed, because others sit there say.
  type: list
  elements: dict
  returned: when O(state=running), O(state=stopped) or O(state=resized)
gone:
  description: C(student) and C(instance_id) of the seats whose students are not in the class.
  type: list
  elements: dict
  returned: when O(state=running)
launched:
  description: The instances that were launched, or in check mode would be.
  type: list
  elements: str
  returned: when O(state=running)
started:
  description: The instances that were started, or in check mode would be.
  type: list
  elements: str
  returned: when O(state=running)
kept:
  description: The instances that were there and ran.
  type: list
  elements: str
  returned: when O(state=running)
image:
  description:
    - C(image_id), C(root_device_name) and C(name) of the image for O(instance_type), if there is one.
    - One of M(dstk_baked) has C(baked), when it was made, and C(notebook_image) as well.
  type: dict
  returned: when O(state=running)
replaced:
  description: The spot instances that AWS had taken back and that were ended, for others have their homes now.
  type: list
  elements: str
  returned: when O(state=running)
otherwise_paid:
  description: The instances that were kept although O(spot) says otherwise.
  type: list
  elements: str
  returned: when O(state=running)
differing:
  description: The instances that were kept although they are of another type, or image, than a new one would be.
  type: list
  elements: str
  returned: when O(state=running)
instance_ids:
  description: The instances that were terminated, stopped or changed, or in check mode would be.
  type: list
  elements: str
  returned: always but when O(state=running)
volume_ids:
  description: The volumes that were deleted because an instance left them behind, or because data was to be deleted.
  type: list
  elements: str
  returned: when O(state=absent) or O(state=released)
kept_volumes:
  description:
    - C(id), C(size), C(homes) and C(zone) of the volumes with homes that stay. C(snapshots) are those that were taken
      of what was deleted, with C(expires).
  type: list
  returned: when O(state=absent)
"""


def ensure_stopped(module: Any, fleet: Fleet) -> dict[str, Any]:
    """Stop the instances of these students; one on which others sit as well goes on."""
    chosen, failures = choose(fleet.find(LIVE), set(module.params["students"]), "goes on")
    going = [instance["InstanceId"] for instance in chosen if state_of(instance) != "stopped"]
    if going and not module.check_mode:
        fleet.stop(going, timeout=module.params["timeout"])
    diff = {"before": {"instances": going}, "after": {"instances": []}}
    return {"changed": bool(going), "instance_ids": going, "failures": failures, "diff": diff}


def ensure_resized(module: Any, fleet: Fleet) -> dict[str, Any]:
    """Give the instances of these students another type; one on which others sit as well keeps its own."""
    given = module.params
    chosen, failures = choose(fleet.find(LIVE), set(given["students"]), "keeps its type")
    changed, refused = ensure_type(
        fleet, chosen, given["instance_type"], timeout=given["timeout"], check_mode=module.check_mode
    )
    types = {instance["InstanceId"]: instance["InstanceType"] for instance in chosen}
    failures += [
        {"student": seat.student, "message": reason.message, "fix": reason.fix}
        for instance in chosen
        if (reason := refused.get(instance["InstanceId"]))
        for seat in find_seats(tags_of(instance))
    ]
    diff = {
        "before": {key: types[key] for key in changed},
        "after": dict.fromkeys(changed, given["instance_type"]),
    }
    return {"changed": bool(changed), "instance_ids": changed, "failures": failures, "diff": diff}


def ensure_running(module: Any, fleet: Fleet) -> dict[str, Any]:
    """Give every student a seat on a running instance."""
    given = module.params
    images = find_images(fleet.client, owner=given["image_owner"], name=given["image_name"])
    if given["baked"]:
        images |= choose_baked(find_baked(fleet.client), volume_size=given["volume_size"], **given["baked"])
    answer = ensure_seats(fleet, Wishes.read({**given, "images": images}), check_mode=module.check_mode)
    for warning in answer.pop("warnings"):
        module.warn(warning)
    return see_to_addresses(module, fleet, answer)


def see_to_addresses(module: Any, fleet: Fleet, answer: dict[str, Any]) -> dict[str, Any]:
    """Give the hosts of this run Elastic IPs, or take them back, and answer with the addresses that they have then."""
    given, limit = module.params, set(module.params["limit"])
    rows = {host["id"]: host for host in answer["hosts"]}
    concerned = [
        key for key, host in rows.items() if not limit or any(seat["student"] in limit for seat in host["seats"])
    ]
    ensure = ensure_kept if given["elastic_ip"] else ensure_given_back
    change = ensure(fleet, concerned, timeout=given["timeout"], check_mode=module.check_mode)
    for key, address in change.addresses.items():
        rows[key]["address"] = address if not module.check_mode else rows[key]["address"]
    answer["failures"] += [
        {"student": seat["student"], "message": f"{key} has no address that stays: {reason.message}", "fix": reason.fix}
        for key, reason in change.failures.items()
        for seat in rows[key]["seats"]
        if not limit or seat["student"] in limit
    ]
    if change.is_change:
        answer["changed"] = True
        answer["diff"]["after"] = {**answer["diff"]["after"], "addresses": change.addresses}
        answer["diff"]["before"] = {**answer["diff"]["before"], "addresses": {}}
    return answer


STATES: dict[str, Callable[[Any, Fleet], dict[str, Any]]] = {
    "running": ensure_running,
    "stopped": ensure_stopped,
    "resized": ensure_resized,
    "released": ensure_released,
    "absent": ensure_absent,
}


def main() -> None:
    """Run the module."""
    words: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    auto = {"type": "str", "default": "auto"}
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(STATES), "default": "running"},
            "students": {"type": "list", "elements": "raw", "default": []},
            "limit": words,
            "placement": {"type": "str", "choices": ["dedicated", "shared"], "default": "dedicated"},
            "instance_type": {"type": "str"},
            "instance_types": words,
            "students_per_host": auto,
            "notebook_memory": auto,
            "notebook_cpus": auto,
            "image_owner": {"type": "str"},
            "image_name": {"type": "str"},
            "baked": {"type": "dict", "default": {}},
            "volume_size": {"type": "int", "default": 30},
            "home_volume_size": auto,
            "delete_data": {"type": "bool", "default": False},
            "final_backup": {"type": "bool", "default": True},
            "subnets": {"type": "list", "elements": "dict", "default": []},
            "security_group_ids": words,
            "key_name": {"type": "str", "no_log": False},
            "instance_profile": {"type": "str", "default": ""},
            "user_data": {"type": "str", "default": ""},
            "elastic_ip": {"type": "bool", "default": False},
            "spot": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[
            ("state", "running", ["instance_type", "key_name", "image_owner", "image_name"]),
            ("state", "resized", ["instance_type"]),
        ],
        supports_check_mode=True,
    )
    given = module.params
    try:
        fleet = Fleet(ec2_client(module), given["deployment"])
        answer = STATES[given["state"]](module, fleet)
    except (LingerError, WrongTypeError) as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Instances of {given['deployment']}")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
