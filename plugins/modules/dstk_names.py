#!/usr/bin/python
"""Module: the notebooks of a deployment have names in Route 53, or their names are gone."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import find_all, throttled
from ansible.module_utils.dstk_names import batches, find_zone, named, plan_names, plan_removal
from ansible.module_utils.dstk_run import end_with_its_run, find_run

DOCUMENTATION = """
module: dstk_names
short_description: The notebooks of a deployment have names in Route 53
version_added: "0.1.0"
author: dstk
description:
  - Leads C(<student>.<domain>) to the address of the student's host, by an A record in the public zone of the account
    that is nearest to the domain. Beside it stands a TXT record that says which deployment it is of.
  - Only what differs is changed. A name that is there without that TXT record is somebody else's and stays as it is.
  - Where the account has no such zone, nothing is changed, and the answer holds the records to be made by hand.
options:
  deployment:
    description: Whose names they are.
    type: str
    required: true
  domain:
    description: What comes after the student in a name.
    type: str
    required: true
  state:
    description:
      - C(present) for a name for each of O(addresses).
      - C(released) for no name of O(students).
      - C(absent) for no name of the deployment under the domain.
    type: str
    choices: [present, released, absent]
    default: present
  addresses:
    description: The address of each student.
    type: dict
    default: {}
  students:
    description: Logins, where O(state=released).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The notebooks have names
  dstk_names:
    deployment: csx450
    domain: nb.example.org
    addresses:
      ada: 203.0.113.7
"""

RETURN = """
zone:
  description: The name of the zone, empty where the account has none that the domain lies in.
  type: str
  returned: always
names:
  description: The names that were made, changed or deleted.
  type: list
  elements: str
  returned: always
failures:
  description: C(student), C(message) and C(fix) of those whose names are somebody else's.
  type: list
  elements: dict
  returned: always
by_hand:
  description: The address of each name that is to be made by hand.
  type: dict
  returned: always
"""


def ensure_names(module: Any, client: Any) -> dict[str, Any]:
    """See to the names, or to their absence; answer what the module answers."""
    given = module.params
    domain, deployment, state = given["domain"].rstrip(".").lower(), given["deployment"], given["state"]
    zone = find_zone(find_all(client, "list_hosted_zones", "HostedZones"), domain)
    answer: dict[str, Any] = {"changed": False, "zone": "", "names": [], "failures": [], "by_hand": {}}
    if zone is None:
        wanted = given["addresses"] if state == "present" else {}
        return {**answer, "by_hand": {f"{student}.{domain}": address for student, address in wanted.items()}}
    records = find_all(client, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone["Id"])
    foreign: list[str] = []
    if state == "present":
        changes, foreign = plan_names(records, given["addresses"], domain=domain, deployment=deployment)
    else:
        students = given["students"] if state == "released" else None
        changes = plan_removal(records, domain=domain, deployment=deployment, students=students)
    for batch in () if module.check_mode else batches(changes):
        throttled(client.change_resource_record_sets, HostedZoneId=zone["Id"], ChangeBatch={"Changes": batch})
    failures = [_explain_foreign(student, domain, zone["Name"].rstrip(".")) for student in foreign]
    return {
        **answer,
        "changed": bool(changes),
        "zone": zone["Name"].rstrip("."),
        "names": named(changes),
        "failures": failures,
    }


def _explain_foreign(student: str, domain: str, zone: str) -> dict[str, str]:
    return {
        "student": student,
        "message": f"{student}.{domain} is in the zone {zone} already, and this deployment did not make it",
        "fix": f"delete or rename that record in Route 53, or choose another `domain`, such as nb.{domain}",
    }


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "released", "absent"], "default": "present"},
            "addresses": {"type": "dict", "default": {}},
            "students": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        client = module.client("route53", config=Config(retries={"mode": "adaptive", "total_max_attempts": 3}))
        end_with_its_run(client, find_run())
        answer = ensure_names(module, client)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Names of {module.params['deployment']}")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
