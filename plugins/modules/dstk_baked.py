#!/usr/bin/python
"""Module: a machine image of the account's own is there, or is gone."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_baked import BakeError, Bakery, find_baked, find_spare
from ansible.module_utils.dstk_ec2 import ec2_client
from ansible.module_utils.dstk_fleet import Fleet, LingerError

DOCUMENTATION = """
module: dstk_baked
short_description: A machine image of the account's own is there
version_added: "0.1.0"
author: dstk
description:
  - Makes an image (AMI) of an instance, tagged C(dstk:baked) and C(dstk:notebook-image), and waits until instances can
    be launched from it. It bears no C(dstk:deployment), for it outlives deployments.
  - Removes images with their snapshots, and snapshots whose image is gone.
options:
  state:
    description:
      - C(present) to make an image of O(instance_id), and to keep no more than O(keep) of its kind.
      - C(absent) to remove O(image_ids), or all where C(all) is named.
      - C(listed) to change nothing.
    type: str
    choices: [present, absent, listed]
    default: listed
  deployment:
    description: The value of the tag C(dstk:deployment) of the instance. Required where O(state=present).
    type: str
  instance_id:
    description: The instance, which is stopped for it. Required where O(state=present).
    type: str
  ubuntu:
    description: The version of Ubuntu on the instance. Required where O(state=present).
    type: str
  notebook_image:
    description: The image that is on the instance. Required where O(state=present).
    type: str
  keep:
    description: How many images of an architecture and of a notebook image, whatever its tag, are kept.
    type: int
    default: 2
  image_ids:
    description: The images to remove.
    type: list
    elements: str
    default: []
  snapshot_usd:
    description: What a snapshot costs here, in USD a GB and month. Without it, nobody knows what an image costs.
    type: float
  timeout:
    description: Seconds until the image can be launched from. AWS takes 5 to 10 minutes for 30 GB.
    type: int
    default: 1800
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The image is there
  dstk_baked:
    state: present
    deployment: csx450-bake
    instance_id: i-0123456789abcdef0
    ubuntu: "24.04"
    notebook_image: quay.io/jupyter/datascience-notebook:2026-08-24
"""

RETURN = """
image_id:
  description: The image that was made.
  type: str
  returned: when O(state=present)
removed:
  description: The images that were removed.
  type: list
  elements: str
  returned: always
removed_snapshots:
  description: Snapshots that were removed because their image was gone already; those of C(removed) are not in it.
  type: list
  elements: str
  returned: always
images:
  description:
    - C(image_id), C(name), C(state), C(created), C(ubuntu), C(architecture), C(notebook_image), C(size) (GB),
      C(usd_month) and C(snapshots) of the images that are there then, the newest first. C(usd_month) is the most that
      the snapshots cost a month, for AWS bills what is used of a disk; null where O(snapshot_usd) is not given.
  type: list
  elements: dict
  returned: always
"""


def ensure_present(module: Any, bakery: Bakery) -> dict[str, Any]:
    """Stop the instance, make its image, and remove what is older than what is kept."""
    given = module.params
    fleet = Fleet(bakery.client, given["deployment"])
    live = {item["InstanceId"]: item for item in fleet.find()}
    if given["instance_id"] not in live:
        module.fail_json(msg=f"{given['instance_id']} is no instance of {given['deployment']}\nFix: run bake.yml")
    fleet.stop([given["instance_id"]], timeout=given["timeout"])
    made = bakery.make(
        given["instance_id"],
        ubuntu=given["ubuntu"],
        architecture=live[given["instance_id"]]["Architecture"],
        notebook_image=given["notebook_image"],
        timeout=given["timeout"],
    )
    spare = find_spare(find_baked(bakery.client), keep=given["keep"])
    for row in spare:
        bakery.remove(row)
    return {
        "changed": True,
        "image_id": made["image_id"],
        "removed": [row["image_id"] for row in spare],
        "removed_snapshots": bakery.remove_orphans(),
    }


def ensure_absent(module: Any, bakery: Bakery) -> dict[str, Any]:
    """Remove images; one that is not there is a mistake, for it may be another that was meant."""
    named = set(module.params["image_ids"])
    there = find_baked(bakery.client)
    if unknown := named - {"all"} - {row["image_id"] for row in there}:
        module.fail_json(
            msg=f"no baked image is called {', '.join(sorted(unknown))} in {module.region}\n"
            "Fix: `dstk bake --list` shows which are there"
        )
    going = [row for row in there if "all" in named or row["image_id"] in named]
    orphans: list[str] = []
    if not module.check_mode:
        for row in going:
            bakery.remove(row)
        orphans = bakery.remove_orphans()
    removed = [row["image_id"] for row in going]
    return {"changed": bool(removed or orphans), "removed": removed, "removed_snapshots": orphans}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent", "listed"], "default": "listed"},
            "deployment": {"type": "str"},
            "instance_id": {"type": "str"},
            "ubuntu": {"type": "str"},
            "notebook_image": {"type": "str"},
            "keep": {"type": "int", "default": 2},
            "image_ids": {"type": "list", "elements": "str", "default": []},
            "snapshot_usd": {"type": "float"},
            "timeout": {"type": "int", "default": 1800},
        },
        required_if=[("state", "present", ["deployment", "instance_id", "ubuntu", "notebook_image"])],
        supports_check_mode=True,
    )
    state = module.params["state"]
    answer: dict[str, Any] = {"changed": state == "present", "removed": [], "removed_snapshots": []}
    try:
        bakery = Bakery(ec2_client(module))
        if state == "absent":
            answer = ensure_absent(module, bakery)
        elif state == "present" and not module.check_mode:
            answer = ensure_present(module, bakery)
        answer["images"] = find_baked(bakery.client, snapshot_usd=module.params["snapshot_usd"])
    except (BakeError, LingerError) as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="Machine images")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
