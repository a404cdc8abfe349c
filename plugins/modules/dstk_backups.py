#!/usr/bin/python
"""Module: snapshots of a deployment's homes are taken, and homes are as they were in one."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_backup import EXPIRES_TAG, HOMES_TAG, KEPT, KIND_TAG, find_latest
from ansible.module_utils.dstk_ec2 import ec2_client, filters, tags_of, throttled
from ansible.module_utils.dstk_fleet import Fleet, LingerError
from ansible.module_utils.dstk_launch import LIVE, state_of
from ansible.module_utils.dstk_restore import choose, find_strangers
from ansible.module_utils.dstk_vault import Row, Vault, VaultError, find_attached
from ansible.module_utils.dstk_volumes import find_host_name

DOCUMENTATION = """
module: dstk_backups
short_description: Snapshots of a deployment's homes are taken, and homes are as they were in one
version_added: "0.1.0"
author: dstk
description:
  - C(taken) makes a snapshot of each data volume, waits until they are whole, and then deletes those that are too many.
  - C(restored) stops the hosts that have the homes, and puts volumes that are made of snapshots in the place of theirs,
    which are kept, with the tag C(dstk:replaced). Hosts are not started again. Where no volume has the homes, the new
    one waits for its host. Only where those who sit there now are in the snapshot, by login and identity; of C(latest),
    where nothing is left of the deployment, all.
  - C(known) only tells which snapshots there are.
  - C(lent) makes a volume of a snapshot of a host's homes, C(attached) attaches it to the host, C(returned) deletes it,
    for the while in which homes are copied from it.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
  state:
    description: What is done.
    type: str
    choices: [taken, restored, known, lent, attached, returned]
    required: true
  keep:
    description: How many backups are kept of each volume; the newest always is.
    type: int
    default: 7
  snapshot:
    description: C(restored), C(lent), which snapshot; C(latest) is the newest of each volume.
    type: str
    default: latest
  instance_type:
    description: C(restored), of the hosts to come; the zone has to have it in which a volume waits for its host.
    type: str
    default: t2.micro
  instance_id:
    description: C(lent), C(attached), C(returned), the host.
    type: str
    default: ""
  students:
    description: C(lent), the logins whose homes are wanted; the snapshot must be of these very people. Empty means all.
    type: list
    elements: str
    default: []
  volume:
    description: C(attached), the volume that was lent.
    type: str
    default: ""
  timeout:
    description: Seconds that the snapshots, or the stop of the hosts, may take.
    type: float
    default: 3600
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The homes are backed up
  dstk_backups:
    deployment: csx450
    state: taken

- name: The homes are as they were
  dstk_backups:
    deployment: csx450
    state: restored
    snapshot: snap-0123456789abcdef0
"""

RETURN = """
snapshots:
  description: C(id), C(homes), C(kind), C(size) in GB, C(started), C(expires) of those that were taken, or are known.
  type: list
  elements: dict
  returned: when O(state) is taken or known
deleted:
  description: The snapshots that were too many.
  type: list
  elements: str
  returned: when O(state=taken)
restored:
  description: C(homes), C(snapshot), C(volume), C(zone) and C(replaced), the volume of before, of each.
  type: list
  elements: dict
  returned: when O(state=restored)
instance_ids:
  description: The hosts that were stopped for it.
  type: list
  elements: str
  returned: when O(state=restored)
volume:
  description: What was lent; beside it are C(snapshot), and C(folder), a name with the time of the snapshot in it.
  type: str
  returned: when O(state=lent)
failures:
  description: By homes, why there is no snapshot, or why they are not as they were.
  type: dict
  returned: when O(state) is taken or restored
skipped:
  description: By homes, why they stay as they are; the snapshot is of other people, or nobody has them any more.
  type: dict
  returned: when O(state=restored)
changes:
  description: What was made or deleted, or in check mode would be.
  type: list
  elements: str
  returned: always
"""


LENDING = ("lent", "attached", "returned")
RUNNING = ("pending", "running", "stopping")
OTHER_FIX = (
    "name a snapshot of the people who sit there now, which `dstk backup --list` shows; with `--student` one home of "
    "it comes beside that of now"
)


def describe(row: Row) -> dict[str, Any]:
    """Answer what is told of a snapshot."""
    tags = tags_of(row)
    return {
        "id": row["SnapshotId"],
        "homes": tags.get(HOMES_TAG, ""),
        "kind": tags.get(KIND_TAG, ""),
        "size": int(row["VolumeSize"]),
        "started": row["StartTime"].astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expires": tags.get(EXPIRES_TAG, ""),
    }


def ensure_taken(vault: Vault, params: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """Take snapshots, and delete those that are too many."""
    if not vault.find_volumes():
        raise VaultError(
            f"no volume with homes carries the tag dstk:deployment={vault.deployment}\n"
            "Fix: run site.yml (or `dstk up`) first, or correct deployment and region"
        )
    rows, failures = vault.take(timeout=params["timeout"], now=now)
    # where one could not be made, nothing of before is deleted
    deleted = [] if failures else vault.clear(keep=params["keep"], today=now.date().isoformat())
    return {"snapshots": [describe(row) for row in rows], "deleted": deleted, "failures": failures}


def ensure_restored(vault: Vault, params: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """Stop the hosts, and give them volumes made of snapshots; what fails at one home fails at no other."""
    fleet = Fleet(vault.client, vault.deployment)
    volumes, instances = vault.find_volumes(), {item["InstanceId"]: item for item in fleet.find(LIVE)}
    asked = find_chosen(vault, params["snapshot"])
    chosen, skipped = choose(asked, volumes, list(instances.values()), latest=params["snapshot"] == "latest")
    if not chosen:
        raise VaultError(
            "\n".join(f"The homes of {homes} stay as they are: {reason}" for homes, reason in sorted(skipped.items()))
            + f"\nFix: {OTHER_FIX}"
        )
    attached = find_attached(volumes, [tags_of(row)[HOMES_TAG] for row in chosen])
    hosts = [key for key in attached if key in instances and state_of(instances[key]) in RUNNING]
    if hosts and not vault.check_mode:
        fleet.stop(hosts, timeout=params["timeout"])

    def find_zone() -> str:
        asked = filters({"instance-type": [params["instance_type"]]})
        offered = throttled(
            vault.client.describe_instance_type_offerings, LocationType="availability-zone", Filters=asked
        )
        return min(row["Location"] for row in offered["InstanceTypeOfferings"])

    restored, failures = [], {}
    for row in chosen:
        try:
            restored.append(vault.restore(row, find_zone, now, instances))
        except (BotoCoreError, ClientError, VaultError) as error:
            said = str(error).partition("\n")[0]
            failures[tags_of(row)[HOMES_TAG]] = f"{said}; `dstk restore {row['SnapshotId']}` goes on with these alone"
    return {"restored": restored, "instance_ids": hosts, "failures": failures, "skipped": skipped}


def lend(vault: Vault, params: dict[str, Any]) -> dict[str, Any]:
    """Make a volume of a snapshot for a host, attach it, or delete it."""
    host = params["instance_id"]
    if params["state"] == "attached":
        vault.attach_lent(params["volume"], host)
    elif params["state"] == "returned":
        vault.give_back(host)
    else:
        [instance] = [row for row in Fleet(vault.client, vault.deployment).find(RUNNING) if row["InstanceId"] == host]
        tags = tags_of(instance)
        homes = find_host_name(tags)
        [chosen] = find_chosen(vault, params["snapshot"], homes)
        if strangers := find_strangers(tags_of(chosen), tags, params["students"]):
            raise VaultError(
                f"in {chosen['SnapshotId']} these logins are other people's: {', '.join(strangers)}\nFix: {OTHER_FIX}"
            )
        return vault.lend(chosen, instance)
    return {}


def find_chosen(vault: Vault, snapshot: str, homes: str = "") -> list[Row]:
    """Answer the snapshots that are asked for; with `homes`, the latest is of these alone."""
    rows = [row for row in vault.find_snapshots() if snapshot != "latest" or homes in ("", tags_of(row)[HOMES_TAG])]
    if snapshot == "latest":
        chosen = list(find_latest(rows).values())
    else:
        chosen = [row for row in rows if row["SnapshotId"] == snapshot and row["State"] == "completed"]
    if not chosen:
        wanted = "no backup is whole" if snapshot == "latest" else f"{snapshot} is no whole backup"
        raise VaultError(
            f"{wanted} of the deployment {vault.deployment}\n"
            "Fix: `dstk backup --list` shows which there are; correct deployment and region"
        )
    return chosen


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["taken", "restored", "known", *LENDING], "required": True},
            "keep": {"type": "int", "default": KEPT},
            "snapshot": {"type": "str", "default": "latest"},
            "instance_type": {"type": "str", "default": "t2.micro"},
            "instance_id": {"type": "str", "default": ""},
            "students": {"type": "list", "elements": "str", "default": []},
            "volume": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 3600},
        },
        supports_check_mode=True,
    )
    params, now = module.params, datetime.datetime.now(datetime.UTC)
    try:
        vault = Vault(ec2_client(module), params["deployment"], check_mode=module.check_mode)
        if params["state"] == "known":
            rows = sorted(vault.find_snapshots(), key=lambda row: row["StartTime"])
            answer: dict[str, Any] = {"snapshots": [describe(row) for row in rows]}
        elif params["state"] in LENDING:
            answer = lend(vault, params)
        else:
            answer = (ensure_taken if params["state"] == "taken" else ensure_restored)(vault, params, now)
    except (VaultError, LingerError) as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Backups of {params['deployment']}")
    for homes, reason in answer.get("skipped", {}).items():
        module.warn(f"The homes of {homes} stay as they are: {reason}")
    module.exit_json(changed=bool(vault.changes), changes=vault.changes, **answer)


if __name__ == "__main__":
    main()
