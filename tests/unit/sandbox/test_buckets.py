from __future__ import annotations

import pytest

from dstk_runner.sandbox.buckets import Buckets
from dstk_runner.sandbox.wire import Call, Refusal


def call(action: str, *, region: str = "us-west-2", **params: str) -> Call:
    return Call("ec2", region, action, "ec2", "AKIA", params)


def count_admitted(buckets: Buckets, wanted: Call) -> int:
    for admitted in range(2000):
        if not is_admitted(buckets, wanted):
            return admitted
    raise AssertionError("no bucket")


def is_admitted(buckets: Buckets, wanted: Call) -> bool:
    try:
        buckets.check(wanted)
    except Refusal:
        return False
    return True


def test_what_is_too_much_is_refused_in_the_words_of_aws() -> None:
    with pytest.raises(Refusal) as refused:
        Buckets(clock=lambda: 0.0).check(call("RunInstances", MaxCount="1001"))
    assert (refused.value.code, refused.value.status) == ("RequestLimitExceeded", 503)


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (call("RunInstances"), 5),
        (call("TerminateInstances"), 100),
        (call("CreateTags"), 100),
        (call("CreateVpc"), 50),
        (call("DescribeInstances"), 50),
        (call("DescribeInstances", **{"Filter.1.Name": "vpc-id"}), 100),
        (call("DescribeInstances", **{"InstanceId.1": "i-1"}), 100),
        (call("DescribeVpcs"), 100),
    ],
)
def test_a_bucket_has_the_size_that_aws_publishes(wanted: Call, size: int) -> None:
    assert count_admitted(Buckets(clock=lambda: 0.0), wanted) == size


def test_a_bucket_fills_again() -> None:
    now = 0.0
    buckets = Buckets(clock=lambda: now)
    count_admitted(buckets, call("RunInstances"))
    now = 1.0
    assert count_admitted(buckets, call("RunInstances")) == 2


def test_a_thousand_instances_are_all_at_once() -> None:
    buckets = Buckets(clock=lambda: 0.0)
    buckets.check(call("RunInstances", MaxCount="1000"))
    with pytest.raises(Refusal):
        buckets.check(call("RunInstances", MaxCount="1"))


def test_a_refused_call_costs_nothing() -> None:
    buckets = Buckets(clock=lambda: 0.0)
    with pytest.raises(Refusal):
        buckets.check(call("RunInstances", MaxCount="1001"))
    buckets.check(call("RunInstances", MaxCount="1000"))


def test_regions_have_buckets_of_their_own() -> None:
    buckets = Buckets(clock=lambda: 0.0)
    count_admitted(buckets, call("RunInstances"))
    assert count_admitted(buckets, call("RunInstances", region="eu-west-1")) == 5
