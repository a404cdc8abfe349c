"""The request buckets of EC2: so many calls at once, so many a second, then RequestLimitExceeded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from dstk_runner.sandbox.wire import Call, Refusal


@dataclass(frozen=True)
class Rate:
    """A bucket's size, and how many tokens a second it gains."""

    size: float
    refill: float


#: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
RATES = {
    "RunInstances": Rate(5, 2),
    "TerminateInstances": Rate(100, 5),
    "CreateTags": Rate(100, 10),
    "AuthorizeSecurityGroupIngress": Rate(50, 5),
}
CHANGE = Rate(50, 5)
DESCRIBE = Rate(100, 20)
DESCRIBE_ALL = Rate(50, 10)
INSTANCES = Rate(1000, 2)


class Buckets:
    """One bucket an action and region, and one more for the instances that RunInstances asks for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets. `clock` returns seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}

    def check(self, call: Call) -> None:
        """Take what the call costs, or refuse it with RequestLimitExceeded."""
        wanted = [(call.action, find_rate(call), 1.0)]
        if call.action == "RunInstances":
            wanted.append(("RunInstances/instances", INSTANCES, float(call.params.get("MaxCount", 1))))
        with self._lock:
            now = self._clock()
            levels = {(call.region, name): self._level(call.region, name, rate, now) for name, rate, _ in wanted}
            if any(levels[call.region, name] < cost for name, _, cost in wanted):
                raise Refusal("RequestLimitExceeded", "Request limit exceeded.", status=503)
            for name, _, cost in wanted:
                self._levels[call.region, name] = (levels[call.region, name] - cost, now)

    def _level(self, region: str, name: str, rate: Rate, now: float) -> float:
        level, then = self._levels.get((region, name), (rate.size, now))
        return min(rate.size, level + (now - then) * rate.refill)


def find_rate(call: Call) -> Rate:
    """Return the rate of a call; a search without filter and pages costs AWS more and is admitted less often."""
    if call.action.startswith(("Describe", "Get", "List", "Search")):
        narrowed = any("." in key or key == "MaxResults" for key in call.params)
        return DESCRIBE if narrowed or call.action != "DescribeInstances" else DESCRIBE_ALL
    return RATES.get(call.action, CHANGE)
