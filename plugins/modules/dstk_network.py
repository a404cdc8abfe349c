#!/usr/bin/python
"""Module: the network, the security group and the key pair of a deployment are there, or gone."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import ec2_client
from ansible.module_utils.dstk_network_end import NetworkEnd
from ansible.module_utils.dstk_network_parts import Network, NetworkError, find_public_subnets, find_rules
from ansible.module_utils.dstk_types import find_types

DOCUMENTATION = """
module: dstk_network
short_description: The network, the security group and the key pair of a deployment are there, or gone
version_added: "0.2.0"
author: dstk
description:
  - Makes a VPC with an internet gateway, a route table and a public subnet in every zone that offers the instance type,
    or takes the public subnets of an existing VPC; a security group; and a key pair.
  - Everything is tagged in the call that makes it and found again by that tag, so a run that was cut short is finished
    by the next one. What is there is looked at once and left alone.
  - One module does it with one client, for the modules of M(amazon.aws) that do it take a second each.
options:
  deployment:
    description: The value of the tag C(dstk:deployment), and the name.
    type: str
    required: true
  state:
    description: C(present), or C(absent) for nothing that carries the tag. O(deployment) is all that the latter needs.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description: Seconds to wait for what still uses a part that is to be removed.
    type: float
    default: 120
  instance_type:
    description: The zones that offer this type get a subnet each. Required, as all below, where O(state=present).
    type: str
  vpc_id:
    description: An existing VPC to use; empty for one of the deployment's own.
    type: str
    default: ""
  vpc_cidr:
    description: The network of a VPC of the deployment's own, /16 to /24.
    type: str
  cidrs:
    description: The networks that may reach the instances. Rules of others stay; those of dstk for other ports go.
    type: list
    elements: str
  ports:
    description: What is open to them, purpose to port, or to a range such as C(8888-8927).
    type: dict
  open_ports:
    description: What is open to the whole internet, purpose to port.
    type: dict
    default: {}
  public_key:
    description: The public key of the key pair, a line of OpenSSH. A pair of the name that is another key is refused.
    type: str
  key_path:
    description: The file that the key is from, for messages.
    type: str
    default: the given key
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The network is there
  dstk_network:
    deployment: csx450
    instance_type: t3.medium
    vpc_cidr: 10.77.0.0/16
    cidrs: [203.0.113.7/32]
    ports: {SSH: 22, notebook: 443}
    open_ports: {ACME: 80}
    public_key: ssh-ed25519 AAAA...

- name: The network is gone
  dstk_network:
    deployment: csx450
    state: absent
"""

RETURN = """
vpc_id:
  description: The VPC; C(vpc-planned) where check mode would make one.
  type: str
  returned: when O(state=present)
subnets:
  description: C(id) and C(zone) of the subnets in which instances can be launched.
  type: list
  elements: dict
  returned: when O(state=present)
security_group_id:
  description: The security group.
  type: str
  returned: when O(state=present)
changes:
  description: What was made or changed, or the ids of what was removed; in check mode what would be.
  type: list
  elements: str
  returned: always
"""


EVERYWHERE = ("0.0.0.0/0", "::/0")


def find_zones(client: Any, name: str, region: str) -> list[str]:
    """Answer the zones that offer the type."""
    zones: list[str] = find_types(client, [name]).get(name, {}).get("zones", [])
    if not zones:
        raise NetworkError(
            f"no zone of {region} offers the instance type {name}\n"
            "Fix: choose another `instance_type`, or a `region` that offers it"
        )
    return zones


def ensure_network(given: dict[str, Any], network: Network, region: str) -> dict[str, Any]:
    """See to all parts, and answer what the module returns."""
    zones = find_zones(network.client, given["instance_type"], region)
    if given["vpc_id"]:
        vpc_id, subnets = given["vpc_id"], find_public_subnets(network.client, given["vpc_id"], zones)
        if not subnets:
            raise NetworkError(
                f"{vpc_id} has no public subnet in {', '.join(zones)}, where {given['instance_type']} is offered\n"
                "Fix: correct `vpc_id` or `region`, give the VPC a subnet there with a route to an internet gateway, "
                "or leave `vpc_id` out"
            )
        network.ensure_key(given["public_key"], given["key_path"])
    else:
        network.ensure_key(given["public_key"], given["key_path"])
        vpc_id, cidr = network.ensure_vpc(given["vpc_cidr"])
        gateway = network.ensure_gateway(vpc_id)
        subnets = network.ensure_subnets(vpc_id, cidr, zones)
        network.ensure_routes(vpc_id, gateway, subnets)
    rules = [*find_rules(given["cidrs"], given["ports"]), *find_rules(EVERYWHERE, given["open_ports"])]
    group_id = network.ensure_group(vpc_id, rules)
    return {
        "changed": bool(network.changes),
        "vpc_id": vpc_id,
        "subnets": subnets,
        "security_group_id": group_id,
        "changes": network.changes,
        "diff": {"before": {"missing": network.changes}, "after": {"missing": []}},
    }


def ensure_absent(given: dict[str, Any], client: Any, check_mode: bool) -> dict[str, Any]:
    """Remove all parts, and answer what the module returns."""
    removed = NetworkEnd(client, given["deployment"], given["timeout"], check_mode).remove()
    diff = {"before": {"network": removed}, "after": {"network": []}}
    return {"changed": bool(removed), "changes": removed, "diff": diff}


def main() -> None:
    """Run the module."""
    text = {"type": "str"}
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {**text, "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "timeout": {"type": "float", "default": 120},
            "instance_type": text,
            "vpc_id": {"type": "str", "default": ""},
            "vpc_cidr": text,
            "cidrs": {"type": "list", "elements": "str"},
            "ports": {"type": "dict"},
            "open_ports": {"type": "dict", "default": {}},
            "public_key": {**text, "no_log": False},
            "key_path": {"type": "str", "default": "the given key", "no_log": False},
        },
        required_if=[("state", "present", ["instance_type", "vpc_cidr", "cidrs", "ports", "public_key"])],
        supports_check_mode=True,
    )
    given = module.params
    try:
        client = ec2_client(module)
        if given["state"] == "absent":
            answer = ensure_absent(given, client, module.check_mode)
        else:
            network = Network(client, ec2_client(module, attempts=1), given["deployment"], module.check_mode)
            answer = ensure_network(given, network, module.region)
    except NetworkError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Network of {given['deployment']}")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
