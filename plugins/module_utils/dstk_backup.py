"""Backups of homes: their tags and names, what Data Lifecycle Manager is asked for, and which are kept.

Pure functions over what EC2 describes. Nothing but the standard library.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

DEPLOYMENT_TAG = "dstk:deployment"
HOMES_TAG = "dstk:homes"
"""Of a data volume and its snapshots: whose homes these are, a student's or a host's."""
TARGET_TAG = "dstk:backup"
"""Of a data volume: the deployment, where AWS shall make backups of it. A policy cannot ask for two tags at once."""
KIND_TAG, BACKUP, FINAL = "dstk:kind", "backup", "final"
EXPIRES_TAG = "dstk:expires"
REPLACED_TAG = "dstk:replaced"
"""Of a data volume in whose place another was put: whose homes it was, and until when."""
RESTORED_TAG = "dstk:restored"
"""Of a data volume that was made of a snapshot, until a host runs with it: whose homes, and of which snapshot."""
LAST_TAG = "dstk:last-snapshot"
"""Of a data volume that is being deleted: its last snapshot, so that a run that goes on takes no second one."""
PASSING_TAGS = frozenset({RESTORED_TAG, LAST_TAG})
"""What is true of a volume for a while, and of nothing that is made of it."""
POLICY_TAG = "aws:dlm:lifecycle-policy-id"
"""AWS's own mark of what Data Lifecycle Manager made."""
KEPT, KEPT_DAYS = 7, 90
"""Backups that are kept of each volume where nothing is said, and days until one expires."""


def find_role(deployment: str, region: str) -> str:
    """Answer the name of the role as which AWS makes backups."""
    return f"{deployment}-{region}-backup"


def find_policy(deployment: str, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the details of the policy that makes a backup a day, as CreateLifecyclePolicy takes them."""
    return {
        "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
        "ResourceTypes": ["VOLUME"],
        "TargetTags": [{"Key": TARGET_TAG, "Value": deployment}],
        "Schedules": [
            {
                "Name": "daily",
                "CopyTags": True,
                "TagsToAdd": [{"Key": KIND_TAG, "Value": BACKUP}],
                "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": [str(schedule["at"])]},
                "RetainRule": {"Count": int(schedule.get("keep", KEPT))},
            }
        ],
    }


def describe_policy(deployment: str, details: Mapping[str, Any]) -> str:
    """Answer the policy's description: a hash of what it is, so that a listing tells whether it is right."""
    digest = hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()
    return f"dstk {deployment} {digest[:8]}"


def tags_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Answer the tags of what EC2 describes."""
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags") or ()}


def find_snapshot_tags(volume: Mapping[str, Any], now: datetime.datetime) -> dict[str, str]:
    """Answer the tags of a backup of a volume: the volume's own, and what it is and until when."""
    own = {key: value for key, value in tags_of(volume).items() if not key.startswith("aws:")}
    own = {key: value for key, value in own.items() if key not in PASSING_TAGS}
    name = f"{own.get(DEPLOYMENT_TAG, '')}-{own.get(HOMES_TAG, '')}"
    expires = (now + datetime.timedelta(days=KEPT_DAYS)).date().isoformat()
    return {**own, "Name": name, KIND_TAG: BACKUP, EXPIRES_TAG: expires}


def find_old(snapshots: Iterable[Mapping[str, Any]], *, keep: int, today: str) -> list[str]:
    """Answer which snapshots go: of each home, backups beyond the newest `keep`, and whatever has expired.

    The newest of a home stays always, and so do those that Data Lifecycle Manager made, which counts its own.
    """
    homes: dict[str, list[Mapping[str, Any]]] = {}
    for row in snapshots:
        if row["State"] == "completed":
            homes.setdefault(tags_of(row).get(HOMES_TAG, ""), []).append(row)
    old = []
    for rows in homes.values():
        newest = sorted(rows, key=lambda row: (row["StartTime"], row["SnapshotId"]), reverse=True)
        own = [row for row in newest if tags_of(row).get(KIND_TAG) == BACKUP and POLICY_TAG not in tags_of(row)]
        expired = [row for row in newest[1:] if "" < tags_of(row).get(EXPIRES_TAG, "") < today]
        gone = {row["SnapshotId"] for row in [*own[max(1, keep) :], *expired]}
        old += [row["SnapshotId"] for row in newest if row["SnapshotId"] in gone]
    return old


def find_latest(snapshots: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Answer the newest whole snapshot of each home, by what its tag says."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in sorted(snapshots, key=lambda row: (row["StartTime"], row["SnapshotId"])):
        if row["State"] == "completed" and HOMES_TAG in tags_of(row):
            found[tags_of(row)[HOMES_TAG]] = row
    return found
