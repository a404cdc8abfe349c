#!/usr/bin/python
"""Module: AWS itself starts and stops the hosts of a deployment, and stops them for good at its end."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_budget import Purse
from ansible.module_utils.dstk_ec2 import chunks, ec2_client, tag_list, tags_of, throttled
from ansible.module_utils.dstk_fleet import Fleet
from ansible.module_utils.dstk_launch import LIVE
from ansible.module_utils.dstk_role import ForeignRoleError, find_place
from ansible.module_utils.dstk_schedule import UNTIL_TAG, format_moment, prolong, settle_end
from ansible.module_utils.dstk_schedules import Keeper, find_schedules

DOCUMENTATION = """
module: dstk_schedules
short_description: AWS itself starts and stops the hosts of a deployment
version_added: "0.1.0"
author: dstk
description:
  - Keeps a schedule group of EventBridge Scheduler with schedules for each instance of the deployment, and a role that
    may stop and start what carries its tag and nothing else.
  - A schedule's name holds a hash of its definition, so that one listing tells what has to be made or removed.
  - With a budget and an address, also an AWS Budget, which stops the hosts when it is spent, and attaches a policy to
    the role of the schedules so that these start none.
  - The end of the deployment is the tag C(dstk:until) of its instances. The latest that is found is kept.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
  state:
    description: C(present), or C(absent) for neither schedules, nor budget, nor their roles.
    type: str
    choices: [present, absent]
    default: present
  schedule:
    description: C(start), C(stop), C(timezone) and C(until); empty is no schedule but the end.
    type: dict
    default: {}
  lease:
    description: Days until the end where the schedule has no C(until), or C(auto).
    type: str
    default: auto
  members:
    description: How many students the class has; C(auto) of O(lease) is longer for more than one.
    type: int
    default: 1
  budget:
    description: USD that the deployment may cost; 0 is no AWS Budget.
    type: float
    default: 0
  budget_email:
    description: Who is told when 50, 80 and 100 % of the budget are spent; empty is no AWS Budget.
    type: str
    default: ""
  by:
    description: How much longer than until the present end, such as C(7d) or C(12h).
    type: str
    default: ""
  until:
    description: The date at whose end the deployment shall end, instead of the present end.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The class has its hours
  dstk_schedules:
    deployment: csx450
    members: 30
    schedule: {start: "Mon-Fri 08:00", stop: "22:00", timezone: America/Los_Angeles, until: 2026-12-18}
"""

RETURN = """
until:
  description: When the hosts are stopped for good, ISO 8601, UTC; empty where there is no host.
  type: str
  returned: when O(state=present)
schedules:
  description: The names of the schedules.
  type: list
  elements: str
  returned: when O(state=present)
budget_spent:
  description: Whether the AWS Budget is spent, so that no schedule starts the hosts until it is raised.
  type: bool
  returned: when O(state=present)
changes:
  description: What was made or removed, or in check mode would be.
  type: list
  elements: str
  returned: always
"""


def open_keeper(module: Any) -> Keeper:
    """Return the schedules of the deployment, as this module's caller sees them."""
    return Keeper(
        module.client("scheduler"),
        module.client("iam"),
        module.params["deployment"],
        find_place(module),
        check_mode=module.check_mode,
    )


def open_purse(module: Any, keeper: Keeper) -> Purse:
    """Return the budget of the deployment."""
    return Purse(
        module.client("budgets"),
        keeper.iam,
        keeper.deployment,
        keeper.place,
        check_mode=keeper.check_mode,
        changes=keeper.changes,
    )


def ensure_present(module: Any, keeper: Keeper) -> dict[str, Any]:
    """See to end, tag, role and schedules."""
    given = module.params
    client = ec2_client(module)
    tags = {item["InstanceId"]: tags_of(item) for item in Fleet(client, keeper.deployment).find(LIVE)}
    if not tags:
        return {"until": "", "schedules": [], "budget_spent": False}
    now = datetime.datetime.now(datetime.UTC)
    known = [found.get(UNTIL_TAG, "") for found in tags.values()]
    end = settle_end(known, given["schedule"], given["lease"], members=given["members"], now=now)
    if given["by"] or given["until"]:
        zone = str(given["schedule"].get("timezone", "UTC"))
        try:
            end = prolong(end, by=given["by"], until=given["until"], zone=zone, now=now)
        except ValueError as error:
            module.fail_json(msg=f"{error}\nFix: such as 7d, 12h, or a date that is to come")
    until = format_moment(end)
    keeper.role.ensure()
    wanted = find_schedules(
        tags,
        given["schedule"],
        end,
        partition=keeper.place.partition,
        role_arn=keeper.place.find_role_arn(keeper.role.name),
        now=now,
    )
    keeper.ensure_schedules(wanted)
    # before the budget: where that fails, hosts have their end all the same
    differing = [key for key, found in tags.items() if found.get(UNTIL_TAG) != until]
    for part in chunks(differing):
        keeper.changes.append(f"end of {', '.join(part)}")
        if not module.check_mode:
            throttled(client.create_tags, Resources=part, Tags=tag_list({UNTIL_TAG: until}))
    purse = open_purse(module, keeper)
    spent = False
    if given["budget"] and given["budget_email"]:
        spent = purse.ensure(given["budget"], given["budget_email"], list(tags))
        if spent:
            module.warn(f"{given['budget']:.2f} USD are spent: no schedule starts the hosts until `budget` is raised")
    else:
        purse.ensure_absent()
    return {"until": until, "schedules": sorted(wanted), "budget_spent": spent}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "schedule": {"type": "dict", "default": {}},
            "lease": {"type": "str", "default": "auto"},
            "members": {"type": "int", "default": 1},
            "budget": {"type": "float", "default": 0},
            "budget_email": {"type": "str", "default": ""},
            "by": {"type": "str", "default": ""},
            "until": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    answer: dict[str, Any] = {}
    try:
        keeper = open_keeper(module)
        if module.params["state"] == "absent":
            # first the budget, which may have attached a policy to the role of the schedules
            open_purse(module, keeper).ensure_absent()
            keeper.ensure_absent()
        else:
            answer = ensure_present(module, keeper)
    except ForeignRoleError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Schedules of {module.params['deployment']}")
    module.exit_json(changed=bool(keeper.changes), changes=keeper.changes, **answer)


if __name__ == "__main__":
    main()
