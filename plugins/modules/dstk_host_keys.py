#!/usr/bin/python
"""Module: the keys of hosts are known before anybody connects."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import Pace, chunks, ec2_client, error_code, filters, tags_of, throttled
from ansible.module_utils.dstk_known_hosts import KIND, TAG, add_keys, find_known, parse_console, read
from ansible.module_utils.dstk_launch import find_instances

DOCUMENTATION = """
module: dstk_host_keys
short_description: The keys of hosts are known before anybody connects
version_added: "0.4.0"
author: dstk
description:
  - Learns the SSH host keys of instances from AWS, never from the network. The tag C(dstk:host-key) has the key of a
    host that somebody learned before; otherwise the console output has them, where cloud-init prints them at the first
    boot, and the tag is set.
  - What O(known_hosts) has is left as it is, and AWS is not asked.
options:
  instance_ids:
    description: The instances.
    type: list
    elements: str
    required: true
  known_hosts:
    description: The file in which SSH finds them, under the instance's id. It and its folder are made.
    type: path
    required: true
  timeout:
    description: Seconds within which the keys have to be printed. AWS may be minutes late with it.
    type: int
    default: 600
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The hosts' keys are known
  dstk_host_keys:
    instance_ids: [i-0123456789abcdef0]
    known_hosts: ~/.local/share/dstk/csx450/known_hosts
"""

RETURN = """
learned:
  description: The instances whose keys were learned.
  type: list
  elements: str
  returned: always
unreachable:
  description: C(message) and C(fix) for each instance whose keys did not come, by id.
  type: dict
  returned: always
"""

AT_ONCE = 8
PAUSE_SECONDS = 2
NO_LATEST = "UnsupportedOperation"
CONSOLES = Pace(40, 4.5)
TAGS = Pace(90, 9)

Keys = list[tuple[str, str]]


def find_tagged(client: Any, instance_ids: Iterable[str]) -> dict[str, Keys]:
    """Answer the keys that stand in tags, by instance."""
    found: dict[str, Keys] = {}
    for part in chunks(list(instance_ids)):
        for instance in find_instances(client, filters({"instance-id": part})):
            if key := tags_of(instance).get(TAG):
                found[instance["InstanceId"]] = [(KIND, key)]
    return found


def find_printed(client: Any, instance_id: str, *, latest: bool) -> Keys:
    """Answer the keys on an instance's console, none where they are not there yet."""
    CONSOLES.wait()
    try:
        more = {"Latest": True} if latest else {}
        output = throttled(client.get_console_output, InstanceId=instance_id, **more).get("Output", "")
    except ClientError as error:
        if not latest or error_code(error) != NO_LATEST:
            raise
        return find_printed(client, instance_id, latest=False)
    # boto3 has decoded it
    return parse_console(output)


def has_latest(client: Any, instance_id: str) -> bool:
    """Answer whether AWS tells what is on the console now, which it does not of instances on Xen."""
    CONSOLES.wait()
    try:
        throttled(client.get_console_output, InstanceId=instance_id, Latest=True)
    except ClientError as error:
        if error_code(error) == NO_LATEST:
            return False
        raise
    return True


def await_keys(client: Any, instance_ids: list[str], timeout: float) -> tuple[dict[str, Keys], dict[str, str]]:
    """Ask until all have printed their keys or the time is up; answer the keys, and why others have none."""
    deadline, found, waiting = time.monotonic() + timeout, {}, list(instance_ids)
    # those of a class are of one kind, as a rule
    latest = bool(waiting) and has_latest(client, waiting[0])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting:
            answers = pool.map(lambda item: find_printed(client, item, latest=latest), waiting)
            found |= {key: keys for key, keys in zip(waiting, answers, strict=True) if keys}
            waiting = [key for key in waiting if key not in found]
            if not waiting or time.monotonic() >= deadline:
                break
            time.sleep(PAUSE_SECONDS)
    return found, dict.fromkeys(waiting, f"the console shows no host keys after {timeout:.0f} s")


def set_tags(client: Any, keys: Mapping[str, Keys]) -> None:
    """Leave the keys where the next laptop finds them."""

    def set_tag(item: tuple[str, Keys]) -> None:
        instance_id, found = item
        for kind, key in found:
            if kind == KIND:
                TAGS.wait()
                throttled(client.create_tags, Resources=[instance_id], Tags=[{"Key": TAG, "Value": key}])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(set_tag, keys.items()))


def explain(instance_id: str, reason: str) -> dict[str, str]:
    """Say of a host that its keys are not known, and what mends it."""
    return {
        "message": f"the SSH keys of {instance_id} are not known: {reason}",
        "fix": "run the same command again; if it stays, look at the system log of the instance in the EC2 console",
    }


def ensure_known(module: Any, path: Path) -> dict[str, Any]:
    """Learn what is not known, and answer the module's result."""
    known = find_known(read(path))
    unknown = [key for key in module.params["instance_ids"] if key not in known]
    if not unknown or module.check_mode:
        return {"changed": bool(unknown), "learned": unknown, "unreachable": {}}
    client = ec2_client(module)
    tagged = find_tagged(client, unknown)
    printed, silent = await_keys(client, [key for key in unknown if key not in tagged], module.params["timeout"])
    set_tags(client, printed)
    add_keys(path, {**tagged, **printed})
    return {
        "changed": True,
        "learned": [*tagged, *printed],
        "unreachable": {key: explain(key, reason) for key, reason in silent.items()},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "instance_ids": {"type": "list", "elements": "str", "required": True},
            "known_hosts": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    try:
        answer = ensure_known(module, Path(module.params["known_hosts"]))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="The keys of the hosts")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
