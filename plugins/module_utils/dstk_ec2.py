"""What the EC2 modules of dstk share: a client that retries what is safe to retry, pacing, and tags as a mapping."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

try:
    from botocore.config import Config
    from botocore.exceptions import ClientError
except ImportError:  # AnsibleAWSModule reports the missing library
    pass

from ansible.module_utils.dstk_run import end_with_its_run, find_run

DEPLOYMENT_TAG = "dstk:deployment"
THROTTLED = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "Unavailable", "ServiceUnavailable"}
)


CHUNK = 100
"""Instances in one call that changes them; a filter takes 200 values, a change up to 1000."""


class Pace:
    """Keeps the calls of one action under the bucket that AWS has for it; threads may share it."""

    def __init__(self, burst: float, per_second: float) -> None:
        """Take how many calls may come at once, and how many a second after that."""
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._then = time.monotonic()
        self._turn = threading.Lock()

    def wait(self) -> None:
        """Return when the next call may go out."""
        with self._turn:  # held while asleep: who comes later goes later
            now = time.monotonic()
            self._level = min(self._burst, self._level + (now - self._then) * self._per_second) - 1
            self._then = now
            if self._level < 0:
                time.sleep(-self._level / self._per_second)


def ec2_client(module: Any, *, attempts: int = 3) -> Any:
    """Return an EC2 client that repeats a call whose connection broke twice, and no more, and ends with its run.

    botocore repeats every 5xx answer, to which EC2's lack of capacity belongs: few attempts here leave time for the
    next zone. Throttling slows the client down (adaptive mode), and is for the rest the business of `throttled`.
    """
    retries = {"mode": "adaptive", "total_max_attempts": attempts}
    settings = {"retries": retries, **(module.params.get("aws_config") or {})}
    client = module.client("ec2", config=Config(**settings))
    end_with_its_run(client, find_run())
    return client


def throttled(call: Callable[..., Any], *, attempts: int = 10, **arguments: Any) -> Any:
    """Return what call(**arguments) returns; where AWS is throttling, try again, ever later, up to about a minute."""
    for attempt in range(1, attempts + 1):
        try:
            return call(**arguments)
        except ClientError as error:
            if error_code(error) not in THROTTLED or attempt == attempts:
                raise
            # full jitter keeps the runs of a class apart (AWS Architecture Blog, "Exponential backoff and jitter")
            time.sleep(random.uniform(0.2, min(10.0, 0.5 * 2**attempt)))  # noqa: S311 - no secret is drawn
    raise AssertionError("unreachable: the last attempt returns or raises")


def error_code(error: Any) -> str:
    """Return AWS's code of an error, or nothing where AWS did not answer."""
    # a connection that broke off has a response, which is None
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))


def find_all(client: Any, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    """Return every item of a paged describe call."""
    pages = throttled(lambda: list(client.get_paginator(operation).paginate(**arguments)))
    return [item for page in pages for item in page[key]]


def chunks(items: Sequence[str], size: int = CHUNK) -> Iterator[list[str]]:
    """Yield the items in portions that one call takes."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def filters(values: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return filters as EC2 wants them."""
    return [{"Name": name, "Values": list(found)} for name, found in values.items()]


def tags_of(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a described resource as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags") or []}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a mapping as EC2's list of tags, always in one order, for a token covers it."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
