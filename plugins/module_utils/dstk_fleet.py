"""The instances of a deployment, all at once: tagged, started, waited for, ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_aws_errors import Explanation, explain
from ansible.module_utils.dstk_ec2 import (
    DEPLOYMENT_TAG,
    Pace,
    chunks,
    error_code,
    filters,
    tag_list,
    tags_of,
    throttled,
)
from ansible.module_utils.dstk_launch import ENDED, ENDING, LIVE, find_instances, state_of
from ansible.module_utils.dstk_spot import NOT_STARTABLE, cancel, find_own_requests, is_interrupted

TAG_AGAIN_SECONDS = 10
"""A tag that is not to be seen after so long is set again."""
TAGS_AT_ONCE = 8
"""Calls under way at a time: each takes AWS a while, and a class has a call an instance."""
NOT_VISIBLE_YET = "InvalidInstanceID.NotFound"


class LingerError(Exception):
    """Instances that do not end or stop; the message says which, and what to do."""


@dataclass
class Fleet:
    """The instances that carry a deployment's tag."""

    client: Any
    deployment: str
    # AWS: 100 at once, 10 a second for CreateTags; 50 and 5 for most changes
    tagging: Pace = field(default_factory=lambda: Pace(90, 9))
    changing: Pace = field(default_factory=lambda: Pace(40, 4.5))

    def find(self, states: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Answer the instances, oldest first, ended ones included unless states are named."""
        chosen = {"instance-state-name": list(states)} if states else {}
        return find_instances(self.client, filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment], **chosen}))

    def tag(self, instance_id: str, tags: Mapping[str, str]) -> None:
        """Tag an instance, which EC2 may not know everywhere yet."""
        for _ in range(10):
            self.tagging.wait()
            try:
                throttled(self.client.create_tags, Resources=[instance_id], Tags=tag_list(tags))
            except ClientError as error:
                if error_code(error) != NOT_VISIBLE_YET:
                    raise
                time.sleep(1)
            else:
                return

    def tag_all(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, Explanation]:
        """Tag instances, several at a time; answer why that is refused, by instance."""
        with ThreadPoolExecutor(TAGS_AT_ONCE) as pool:
            reasons = pool.map(lambda item: self._try_tags(*item), wanted.items())
            return {key: reason for key, reason in zip(wanted, reasons, strict=True) if reason}

    def _try_tags(self, instance_id: str, tags: Mapping[str, str]) -> Explanation | None:
        try:
            self.tag(instance_id, tags)
        except ClientError as error:
            return explain_error(error)
        return None

    def untag(self, instance_id: str, keys: Iterable[str]) -> None:
        """Take tags from an instance, whatever their values."""
        self.changing.wait()
        throttled(self.client.delete_tags, Resources=[instance_id], Tags=[{"Key": key} for key in sorted(keys)])

    def start(self, instance_ids: Sequence[str]) -> dict[str, Explanation]:
        """Start stopped instances; answer why it is refused, by instance: one refusal spoils a whole call.

        What may start later is not among them, and has to be asked for again.
        """
        refused: dict[str, Explanation] = {}
        for part in chunks(instance_ids):
            self.changing.wait()
            try:
                throttled(self.client.start_instances, InstanceIds=part)
            except ClientError as error:
                # of a spot instance that was stopped a moment ago the request is still coming to rest
                if len(part) == 1 and error_code(error) == NOT_STARTABLE:
                    continue
                if len(part) == 1:
                    refused[part[0]] = explain_error(error)
                    continue
                for instance_id in part:
                    refused.update(self.start([instance_id]))
        return refused

    def stop(self, instance_ids: Sequence[str], *, timeout: float) -> None:
        """Stop instances, and wait until they are stopped, asking once a second for all of them.

        Raises:
            LingerError: not all are, after so many seconds.
        """
        # AWS stops none that is still starting
        self._await(lambda item: item["InstanceId"] in instance_ids, ("pending",), "running", timeout)
        for part in chunks(instance_ids):
            self.changing.wait()
            throttled(self.client.stop_instances, InstanceIds=part)
        self._await(lambda item: item["InstanceId"] in instance_ids, (*LIVE, ENDING), "stopped", timeout)

    def await_stopped(self, instance_ids: Sequence[str], *, timeout: float) -> None:
        """Wait until instances that are stopping are stopped. Raises LingerError."""
        self._await(lambda item: item["InstanceId"] in instance_ids, ("stopping",), "stopped", timeout)

    def _await(
        self, concerns: Callable[[Mapping[str, Any]], bool], states: Iterable[str], wanted: str, timeout: float
    ) -> None:
        """Wait while instances that this concerns are in one of these states and not as wanted."""
        deadline = time.monotonic() + timeout
        while left := [item["InstanceId"] for item in self.find(states) if state_of(item) != wanted and concerns(item)]:
            if time.monotonic() >= deadline:
                raise LingerError(
                    f"{len(left)} instances are not {wanted} after {timeout:.0f} s: {', '.join(left[:5])}\n"
                    "Fix: run the same command again; if it stays, look at the instances in the EC2 console"
                )
            time.sleep(1)

    def await_running(
        self, wanted: Mapping[str, Mapping[str, str]], *, timeout: float
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Explanation]]:
        """See to it that instances run, have an address and bear their tags, asking once a second for all of them.

        Args:
            wanted: the tags that each shall bear, by instance; what is missing is set, and set again.
            timeout: seconds.

        Returns:
            The instances as they are then, and why others will not run, both by id.
        """
        deadline = time.monotonic() + timeout
        tagged: dict[str, float] = {}
        failed: dict[str, Explanation] = {}
        while True:
            asked = time.monotonic()
            seen = {item["InstanceId"]: item for item in self.find() if item["InstanceId"] in wanted}
            failed.update({key: _why_ended(item) for key, item in seen.items() if state_of(item) in ENDED})
            waiting = [key for key in wanted if key not in failed and not _is_ready(seen.get(key), wanted[key])]
            if not waiting:
                return seen, failed
            if time.monotonic() >= deadline:
                return seen, failed | {key: _why_late(key, seen.get(key), timeout) for key in waiting}
            due = {
                key: wanted[key]
                for key in waiting
                if time.monotonic() - tagged.get(key, -TAG_AGAIN_SECONDS) >= TAG_AGAIN_SECONDS
                and not _bears(seen.get(key), wanted[key])
            }
            failed.update(self.tag_all(due))
            tagged.update(dict.fromkeys(due, time.monotonic()))
            failed.update(self.start([key for key in waiting if key in seen and state_of(seen[key]) == "stopped"]))
            time.sleep(max(0.0, asked + 1 - time.monotonic()))

    def end(self, instance_ids: Sequence[str] | None = None, *, timeout: float) -> list[str]:
        """Terminate instances, all of the deployment if none are named, wait until they are gone, and answer them."""
        live = [item for item in self.find(LIVE) if instance_ids is None or item["InstanceId"] in set(instance_ids)]
        ending = [item["InstanceId"] for item in live]
        # first, or EC2 launches others in their place
        cancel(self.client, self.changing, find_own_requests(live))
        for part in chunks(ending):
            self.changing.wait()
            throttled(self.client.terminate_instances, InstanceIds=part)
        going = {ENDING} if instance_ids is None else set()
        self._await(
            lambda item: item["InstanceId"] in ending or state_of(item) in going, (*LIVE, ENDING), "terminated", timeout
        )
        return ending

    def end_volumes(self, volume_ids: Iterable[str] | None = None, *, kept: Collection[str] = ()) -> list[str]:
        """Delete volumes that instances left behind, all but these if none are named, and answer them."""
        by = filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment], "status": ["available"]})
        pages = throttled(lambda: list(self.client.get_paginator("describe_volumes").paginate(Filters=by)))
        found = [volume["VolumeId"] for page in pages for volume in page["Volumes"]]
        ending = [key for key in found if key not in kept and (volume_ids is None or key in set(volume_ids))]
        for volume_id in ending:
            self.changing.wait()
            throttled(self.client.delete_volume, VolumeId=volume_id)
        return ending


def explain_error(error: Exception) -> Explanation:
    """Say what an error of boto3 means, and what mends it."""
    return explain({"msg": str(error)})


def _bears(instance: Mapping[str, Any] | None, tags: Mapping[str, str]) -> bool:
    return instance is not None and tags.items() <= tags_of(instance).items()


def _is_ready(instance: Mapping[str, Any] | None, tags: Mapping[str, str]) -> bool:
    return (
        instance is not None
        and state_of(instance) == "running"
        and bool(instance.get("PublicIpAddress"))
        and _bears(instance, tags)
    )


def _why_ended(instance: Mapping[str, Any]) -> Explanation:
    reason = instance.get("StateReason", {}).get("Message") or "AWS gives no reason"
    return Explanation(
        f"AWS ended instance {instance['InstanceId']} while it was starting: {reason}",
        "see to the reason (volume limits and encryption keys are the usual ones), and run the same command again",
    )


def _why_late(instance_id: str, instance: Mapping[str, Any] | None, timeout: float) -> Explanation:
    seen = "not to be seen yet" if instance is None else state_of(instance)
    if instance is not None and is_interrupted(instance):
        return Explanation(
            f"AWS took the spot instance {instance_id} back; what is in the homes is safe",
            "run the same command again: a new host gets the homes, or AWS has started this one by then",
        )
    if seen == "running":
        seen = "without an address" if not instance or not instance.get("PublicIpAddress") else "without its tags"
    return Explanation(
        f"instance {instance_id} is {seen} after {timeout:.0f} s and should be running",
        "run the same command again; if it stays, look at the instance's status checks in the EC2 console",
    )
