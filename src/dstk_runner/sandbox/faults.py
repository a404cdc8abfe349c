"""Faults on demand: what goes wrong on AWS on a bad day, as often as was asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from dstk_runner.sandbox.wire import Call, Protocol, Refusal

Kind = Literal["throttle", "no-capacity", "reply-lost", "expired", "unauthorized", "error"]


@dataclass(frozen=True)
class Fault:
    """A fault that waits for calls of an action (`*` is any): the next `count` of them, or all if that is None."""

    action: str
    fault: Kind
    count: int | None = 1
    zone: str | None = None


class Faults:
    """The faults that wait for their calls, in the order in which they were asked for."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait."""
        with self._lock:
            self._waiting.append(fault)

    def find_waiting(self) -> list[Fault]:
        """Return the faults that still wait."""
        with self._lock:
            return list(self._waiting)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._waiting.clear()

    def take(self, call: Call, zone: str | None) -> Fault | None:
        """Return the first fault that waits for this call, made in this zone, and count it down."""
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if fault.action in ("*", call.action) and fault.zone in (None, zone):
                    if fault.count == 1:
                        del self._waiting[index]
                    elif fault.count is not None:
                        self._waiting[index] = replace(fault, count=fault.count - 1)
                    return fault
        return None


def parse_fault(value: Mapping[str, Any]) -> Fault:
    """Return a fault from what a client sent, or raise ValueError saying what is wrong with it."""
    if unknown := set(value) - {"action", "fault", "count", "zone"}:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}; it has action, fault, count and zone")
    kind, count = value.get("fault"), value.get("count", 1)
    if kind not in get_args(Kind):
        raise ValueError(f"fault must be one of {', '.join(get_args(Kind))}, not {kind!r}")
    if count is not None and (not isinstance(count, int) or count < 1):
        raise ValueError(f"count must be a whole number from 1, or null for all calls, not {count!r}")
    return Fault(str(value.get("action", "*")), cast("Kind", kind), count, value.get("zone"))


def find_refusal(fault: Fault, call: Call, zone: str | None) -> Refusal | None:
    """Return what AWS says in this case; None where it says nothing at all."""
    if fault.fault == "reply-lost":
        return None
    if fault.fault == "no-capacity":
        message = (
            f"We currently do not have sufficient {call.params.get('InstanceType', '')} capacity in the Availability "
            f"Zone you requested ({zone or call.region + 'a'}). Our system will be working on provisioning additional "
            "capacity. You can get capacity by not specifying an Availability Zone in your request or choosing another."
        )
        return Refusal("InsufficientInstanceCapacity", message, status=500)
    protocol: Protocol = "query" if call.protocol == "rest" else call.protocol
    code, message, status = _WORDS[fault.fault, protocol]
    return Refusal(code, message.format(operation=f"{call.service}:{call.action}"), status=status)


_EXPIRED = "The security token included in the request is expired"
_DENIED = "User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: {operation}"
_BROKEN = "An internal error has occurred"

#: Code, message and HTTP status, by fault and protocol: services of different age say the same differently.
_WORDS: dict[tuple[Kind, Protocol], tuple[str, str, int]] = {
    ("throttle", "ec2"): ("RequestLimitExceeded", "Request limit exceeded.", 503),
    ("throttle", "query"): ("Throttling", "Rate exceeded", 400),
    ("throttle", "json"): ("ThrottlingException", "Rate exceeded", 400),
    ("expired", "ec2"): ("RequestExpired", "Request has expired.", 400),
    ("expired", "query"): ("ExpiredToken", _EXPIRED, 403),
    ("expired", "json"): ("ExpiredTokenException", _EXPIRED, 400),
    ("unauthorized", "ec2"): ("UnauthorizedOperation", "You are not authorized to perform this operation.", 403),
    ("unauthorized", "query"): ("AccessDenied", _DENIED, 403),
    ("unauthorized", "json"): ("AccessDeniedException", _DENIED, 400),
    ("error", "ec2"): ("InternalError", _BROKEN, 500),
    ("error", "query"): ("InternalFailure", _BROKEN, 500),
    ("error", "json"): ("InternalServerError", _BROKEN, 500),
}
