"""Spot instances: how they are asked for, how an interruption looks, and the requests that must end before them.

A request is persistent, for only such an instance can be stopped and started, and its instance is stopped, not ended,
when EC2 takes it back: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/interruption-behavior.html
Where an instance ends and its request does not, EC2 launches another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_aws_errors import Explanation
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, Pace, chunks, error_code, filters, find_all, throttled

MARKET = {
    "MarketType": "spot",
    "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
}
"""What RunInstances is asked for. Without a highest price the one on demand is it, and interruptions are fewest."""
INTERRUPTED = "Server.SpotInstanceShutdown"
"""The code of an instance's state reason: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html"""
NOT_STARTABLE = "IncorrectSpotRequestState"
"""What StartInstances says of an instance that EC2 alone may start, or whose request has not come to rest yet."""
LASTING = ("open", "active", "disabled")
"""States of a request that launches or starts something yet."""
GONE = "InvalidSpotInstanceRequestID.NotFound"


def is_spot(instance: Mapping[str, Any]) -> bool:
    """Answer whether an instance is a spot instance."""
    return instance.get("InstanceLifecycle") == "spot"


def is_interrupted(instance: Mapping[str, Any]) -> bool:
    """Answer whether EC2 took an instance back, and has not started it again."""
    reason = instance.get("StateReason") or {}
    return instance["State"]["Name"] in ("stopping", "stopped") and reason.get("Code") == INTERRUPTED


def find_requests(client: Any, deployment: str) -> list[dict[str, Any]]:
    """Answer the requests of a deployment that launch or start something yet."""
    by = filters({f"tag:{DEPLOYMENT_TAG}": [deployment], "state": LASTING})
    return find_all(client, "describe_spot_instance_requests", "SpotInstanceRequests", Filters=by)


def find_own_requests(instances: Iterable[Mapping[str, Any]]) -> list[str]:
    """Answer the requests of instances, those that are no spot instances left out."""
    return [str(item["SpotInstanceRequestId"]) for item in instances if item.get("SpotInstanceRequestId")]


def cancel(client: Any, pace: Pace, request_ids: Iterable[str]) -> None:
    """Cancel requests; one that AWS does not know any more is fine."""
    for part in chunks(sorted(set(request_ids))):
        pace.wait()
        try:
            throttled(client.cancel_spot_instance_requests, SpotInstanceRequestIds=part)
        except ClientError as error:
            if error_code(error) != GONE:
                raise
            if len(part) > 1:
                for one in part:
                    cancel(client, pace, [one])


def explain_scarcity(instance_type: str, zones: Iterable[str], *, homes: str = "") -> Explanation:
    """Say that there is no spare capacity, and what can be done.

    Args:
        instance_type: of which there is none.
        zones: where it was asked for.
        homes: the volume that holds the homes for which a host was wanted; empty where there are none yet.
    """
    where = ", ".join(zones)
    kept = f"; the homes are safe on {homes}" if homes else ""
    return Explanation(
        f"AWS has no spare {instance_type} for spot in {where} at the moment{kept} (InsufficientInstanceCapacity)",
        "run the same command again later, name further `instance_types`, or write `spot: false`: a new host is then "
        "on demand",
    )
