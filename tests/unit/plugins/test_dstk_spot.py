from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from support.plugins import Load, load_packed

SPOT = load_packed("module_utils/dstk_spot")
LAUNCH = load_packed("module_utils/dstk_launch")
INTERRUPTED = load_packed("module_utils/dstk_interrupted")
SEATS = load_packed("module_utils/dstk_seats")
STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")
IMAGE = {"image_id": "ami-1", "root_device_name": "/dev/sda1"}
USUAL: dict[str, Any] = {"volume_size": 30, "key_name": "csx450", "security_group_ids": ["sg-1"], "tags": {"a": "b"}}


class Ec2:
    """Notes what is asked for, and forgets requests that nobody knows."""

    def __init__(self, *unknown: str) -> None:
        self.unknown = set(unknown)
        self.called: list[tuple[str, list[str]]] = []

    def cancel_spot_instance_requests(self, *, SpotInstanceRequestIds: list[str]) -> None:  # noqa: N803 - AWS's name
        if self.unknown & set(SpotInstanceRequestIds):
            raise ClientError({"Error": {"Code": SPOT.GONE, "Message": "gone"}}, "CancelSpotInstanceRequests")
        self.called.append(("cancel", SpotInstanceRequestIds))

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:  # noqa: N803 - AWS's name
        self.called.append(("terminate", InstanceIds))

    def cancelled(self) -> list[str]:
        return [key for call, keys in self.called for key in keys if call == "cancel"]


class Pace:
    def wait(self) -> None:
        pass


def host(key: str, state: str = "running", *, reason: str = "", students: tuple[str, ...] = ()) -> dict[str, Any]:
    tags = [{"Key": f"dstk:seat:{n:02d}", "Value": f"{name} id-{name}"} for n, name in enumerate(students, 1)]
    return {
        "InstanceId": key,
        "State": {"Name": state},
        "StateReason": {"Code": reason},
        "InstanceLifecycle": "spot",
        "SpotInstanceRequestId": f"sir-{key}",
        "LaunchTime": key,
        "Tags": tags,
    }


def test_a_spot_launch_is_persistent_and_stopped_and_tags_its_request() -> None:
    request = LAUNCH.run_parameters(image=IMAGE, instance_type="t3.medium", spot=True, **USUAL)
    options = request["InstanceMarketOptions"]["SpotOptions"]
    assert options == {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
    assert "spot-instances-request" in [part["ResourceType"] for part in request["TagSpecifications"]]


def test_a_launch_on_demand_says_nothing_of_spot() -> None:
    request = LAUNCH.run_parameters(image=IMAGE, instance_type="t3.medium", **USUAL)
    assert "spot" not in str(request).lower()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("reason", ["Server.SpotInstanceShutdown", "Client.UserInitiatedShutdown"])
def test_a_host_is_taken_back_where_ec2_stopped_it(state: str, reason: str) -> None:
    expected = state in ("stopping", "stopped") and reason.startswith("Server")
    assert SPOT.is_interrupted(host("i-1", state, reason=reason)) is expected


@given(known=st.sets(st.integers(0, 300)), unknown=st.sets(st.integers(0, 300), max_size=3))
def test_all_requests_are_cancelled_that_aws_still_knows(known: set[int], unknown: set[int]) -> None:
    ec2 = Ec2(*(f"sir-{n}" for n in unknown))
    SPOT.cancel(ec2, Pace(), [f"sir-{n}" for n in known | unknown])
    assert sorted(ec2.cancelled()) == sorted(f"sir-{n}" for n in known - unknown)


def test_another_refusal_to_cancel_is_told() -> None:
    class Refusing(Ec2):
        def cancel_spot_instance_requests(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "Cancel")

    with pytest.raises(ClientError, match="Unauthorized"):
        SPOT.cancel(Refusing(), Pace(), ["sir-1"])


class Fleet:
    """Instances in the memory of a test."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def end(self, instance_ids: list[str], *, timeout: float) -> list[str]:
        self.ended += instance_ids
        return instance_ids


@given(
    hosts=st.lists(st.sets(st.sampled_from("abcdef"), max_size=3), max_size=4),
    served=st.sets(st.sampled_from("abcdef")),
    roster=st.sets(st.sampled_from("abcdef")),
)
def test_a_host_is_ended_only_where_all_of_the_class_who_sit_there_have_another(
    hosts: list[set[str]], served: set[str], roster: set[str]
) -> None:
    rows = [SEATS.Row(name, f"id-{name}", "") for name in sorted(roster)]
    wishes = type("Wishes", (), {"rows": rows, "timeout": 1, "includes": lambda _, name: True})()
    work = type("Work", (), {"seats": {"i-new": [SEATS.Seat(name, 1, "") for name in served]}})()
    lost = {f"i-{n}": host(f"i-{n}", students=tuple(sorted(names))) for n, names in enumerate(hosts)}
    ended = INTERRUPTED.end_lost(Fleet(), lost, wishes, work)
    assert ended == [f"i-{n}" for n, names in enumerate(hosts) if names & roster <= served]


def test_an_end_cancels_the_requests_first(load: Load) -> None:
    fleets = load("module_utils/dstk_fleet")
    ec2 = Ec2()

    class Seen(fleets.Fleet):  # type: ignore[name-defined,misc]
        looks = 0

        def find(self, states: Any = ()) -> list[dict[str, Any]]:
            self.looks += 1
            return [host("i-1"), host("i-2")] if self.looks == 1 else []

    assert Seen(ec2, "csx450").end(["i-1"], timeout=1) == ["i-1"]
    assert ec2.called == [("cancel", ["sir-i-1"]), ("terminate", ["i-1"])]
