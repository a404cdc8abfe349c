#!/usr/bin/python
"""Module: what AWS still knows of what a deployment has cost."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import ec2_client, error_code, throttled
from ansible.module_utils.dstk_spent_facts import CE_HOME, ask, ask_cost_explorer, find_since

DOCUMENTATION = """
module: dstk_spent
short_description: What AWS still knows of what a deployment has cost
version_added: "0.1.0"
author: dstk
description:
  - Reads the hosts, volumes and snapshots that carry the deployment's tag, with the moments that AWS keeps of them, and
    asks Cost Explorer for its sum by that tag, which costs 0.01 USD. The filter C(dstk_spent) makes amounts of them.
  - That Cost Explorer does not answer is no failure.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: What AWS knows is known
  dstk_spent:
    deployment: csx450
    region: us-west-2
  register: known
"""

RETURN = """
hosts:
  description:
    - C(id), C(type), C(state), C(spot), C(made), C(started), C(stopped) (empty where AWS does not tell) and
      C(keeps_address) of each host; moments in ISO 8601.
  type: list
  elements: dict
  returned: always
volumes:
  description: C(id), C(type), C(size) (GB) and C(made) of each volume.
  type: list
  elements: dict
  returned: always
snapshots:
  description: C(id), C(size) (GB, of its volume) and C(made) of each snapshot.
  type: list
  elements: dict
  returned: always
billed:
  description: What Cost Explorer counts by the tag, in USD; null where it counts nothing, or did not answer.
  type: float
  returned: always
refusal:
  description: The code of Cost Explorer's error; empty where it answered.
  type: str
  returned: always
asked:
  description: When AWS was asked, in ISO 8601.
  type: str
  returned: always
"""


def find_bill(client: Any, deployment: str, since: datetime.datetime, now: datetime.datetime) -> dict[str, Any]:
    """Answer Cost Explorer's sum, or the code of its error: not everybody may ask it."""
    try:
        billed = throttled(ask_cost_explorer, client=client, deployment=deployment, since=since, now=now)
    except (BotoCoreError, ClientError) as error:
        return {"billed": None, "refusal": error_code(error) or type(error).__name__}
    return {"billed": billed, "refusal": ""}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec={"deployment": {"type": "str", "required": True}}, supports_check_mode=True)
    deployment, now = module.params["deployment"], datetime.datetime.now(datetime.UTC)
    try:
        facts = throttled(ask, client=ec2_client(module), deployment=deployment)
        bill = find_bill(module.client("ce", region=CE_HOME), deployment, find_since(facts, now), now)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Deployment {deployment}")
    module.exit_json(changed=False, asked=now.isoformat(), **facts, **bill)


if __name__ == "__main__":
    main()
