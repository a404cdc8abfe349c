from __future__ import annotations

import pytest

from dstk_runner.sandbox.faults import Fault, Faults, find_refusal, parse_fault
from dstk_runner.sandbox.wire import Call

CALL = Call("ec2", "us-west-2", "RunInstances", "ec2", "AKIA")


def test_a_fault_is_used_up() -> None:
    faults = Faults()
    faults.add(Fault("RunInstances", "throttle", count=2))
    assert [faults.take(CALL, None) is not None for _ in range(3)] == [True, True, False]


def test_a_fault_of_one_zone_spares_launches_elsewhere() -> None:
    faults = Faults()
    faults.add(Fault("RunInstances", "no-capacity", zone="us-west-2a"))
    assert faults.take(CALL, "us-west-2b") is None


def test_a_fault_of_any_action_meets_every_call() -> None:
    faults = Faults()
    faults.add(Fault("*", "expired"))
    assert faults.take(CALL, None) == Fault("*", "expired")


def test_a_lost_reply_is_no_refusal() -> None:
    assert find_refusal(Fault("RunInstances", "reply-lost"), CALL, None) is None


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"action": "RunInstances", "fault": "earthquake"}, "earthquake"),
        ({"action": "RunInstances", "fault": "throttle", "count": 0}, "count"),
        ({"action": "RunInstances", "fault": "throttle", "often": 1}, "often"),
    ],
)
def test_what_is_no_fault_is_refused(value: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_fault(value)
