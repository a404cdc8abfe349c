#!/usr/bin/python
"""Module: everything that carries the tag of a deployment."""

from __future__ import annotations

import contextlib

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, ec2_client, filters, find_all, tags_of, throttled

DOCUMENTATION = """
module: dstk_deployment_info
short_description: Everything that carries the tag of a deployment
version_added: "0.1.0"
author: dstk
description:
  - Reads in one go what is there of a deployment, by its tag. A run that was cut short is found here, and so is what
    C(destroy) may delete.
  - Key pairs and security groups that bear the deployment's name without its tag are listed apart, for they are
    somebody else's.
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
- name: What is there of the deployment is known
  dstk_deployment_info:
    deployment: csx450
    region: us-west-2
  register: __role_existing
"""

RETURN = """
vpcs:
  description: C(id) and C(cidr) of each VPC, the most used one first.
  type: list
  elements: dict
  returned: always
internet_gateways:
  description: C(id) and C(vpc_id) (empty where it is attached to none) of each internet gateway.
  type: list
  elements: dict
  returned: always
route_tables:
  description: C(id) and C(vpc_id) of each route table.
  type: list
  elements: dict
  returned: always
subnets:
  description: C(id), C(vpc_id), C(zone) and C(cidr) of each subnet.
  type: list
  elements: dict
  returned: always
security_groups:
  description: C(id), C(vpc_id) and C(name) of each security group.
  type: list
  elements: dict
  returned: always
key_pairs:
  description: C(name) and C(public_key) of each key pair.
  type: list
  elements: dict
  returned: always
volumes:
  description: C(id) and C(state) of each volume.
  type: list
  elements: dict
  returned: always
foreign_key_pairs:
  description: Key pairs of the deployment's name that lack its tag, as above.
  type: list
  elements: dict
  returned: always
foreign_security_groups:
  description: Security groups of the deployment's name that lack its tag, as above.
  type: list
  elements: dict
  returned: always
"""


def find_network(client, by_tag: list) -> dict:
    """Answer the parts of the network that carry the tag, each in one order."""
    subnets = [
        {"id": item["SubnetId"], "vpc_id": item["VpcId"], "zone": item["AvailabilityZone"], "cidr": item["CidrBlock"]}
        for item in find_all(client, "describe_subnets", "Subnets", Filters=by_tag)
    ]
    gateways = [
        {"id": item["InternetGatewayId"], "vpc_id": next((a["VpcId"] for a in item["Attachments"]), "")}
        for item in find_all(client, "describe_internet_gateways", "InternetGateways", Filters=by_tag)
    ]
    tables = [
        {"id": item["RouteTableId"], "vpc_id": item["VpcId"]}
        for item in find_all(client, "describe_route_tables", "RouteTables", Filters=by_tag)
    ]
    vpcs = [
        {"id": item["VpcId"], "cidr": item["CidrBlock"]}
        for item in find_all(client, "describe_vpcs", "Vpcs", Filters=by_tag)
    ]
    parts = [part["vpc_id"] for part in (*subnets, *gateways, *tables)]
    return {
        # an answer of CreateVpc that was lost leaves an empty VPC behind: it comes last
        "vpcs": sorted(vpcs, key=lambda vpc: (-parts.count(vpc["id"]), vpc["id"])),
        "internet_gateways": sorted(gateways, key=lambda item: (not item["vpc_id"], item["id"])),
        "route_tables": sorted(tables, key=lambda item: item["id"]),
        "subnets": sorted(subnets, key=lambda item: (item["zone"], item["id"])),
    }


def find_named(client, deployment: str) -> dict:
    """Answer key pairs and security groups: those with the tag, and those with the name alone."""
    pairs = throttled(client.describe_key_pairs, IncludePublicKey=True)["KeyPairs"]
    groups = find_all(client, "describe_security_groups", "SecurityGroups")
    keys = [(tags_of(p), {"name": p["KeyName"], "public_key": p.get("PublicKey", "")}) for p in pairs]
    shields = [(tags_of(g), {"id": g["GroupId"], "vpc_id": g.get("VpcId", ""), "name": g["GroupName"]}) for g in groups]
    answer = {}
    for kind, items in (("key_pairs", keys), ("security_groups", shields)):
        answer[kind] = [item for tags, item in items if tags.get(DEPLOYMENT_TAG) == deployment]
        answer[f"foreign_{kind}"] = [
            item for tags, item in items if tags.get(DEPLOYMENT_TAG) != deployment and item["name"] == deployment
        ]
    return answer


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec={"deployment": {"type": "str", "required": True}}, supports_check_mode=True)
    deployment = module.params["deployment"]
    by_tag = filters({f"tag:{DEPLOYMENT_TAG}": [deployment]})
    try:
        client = ec2_client(module)
        volumes = find_all(client, "describe_volumes", "Volumes", Filters=by_tag)
        answer = {**find_network(client, by_tag), **find_named(client, deployment)}
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Deployment {deployment}")
    answer["volumes"] = [{"id": item["VolumeId"], "state": item["State"]} for item in volumes]
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
