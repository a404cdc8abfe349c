"""The AWS Budget of a deployment, and what is in force when it is spent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from support.plugins import Load
from support.purse import ACCOUNT, ARN, LABELS, LOOK, NAME, SCHEDULES, Budgets, World

SCHEDULES_MODULE = "modules/dstk_schedules"


@pytest.fixture
def world(load: Load, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield World(load)


def test_hosts_are_stopped_by_portions_and_schedules_held_by_one_policy(world: World) -> None:
    world.ensure(200, *(f"i-{number:03}" for number in range(101)))
    found = [item["SsmActionDefinition"]["InstanceIds"] for item in world.find_definitions("RUN_SSM_DOCUMENTS")]
    assert list(map(len, found)) == [100, 1]
    attached = {"PolicyArn": ARN, "Roles": [SCHEDULES]}
    assert world.find_definitions("APPLY_IAM_POLICY") == [{"IamActionDefinition": attached}]
    version = world.iam.get_policy_version(PolicyArn=ARN, VersionId="v1")["PolicyVersion"]["Document"]
    assert version["Statement"] == [{"Effect": "Deny", "Action": "ec2:StartInstances", "Resource": "*"}]
    assert world.iam.get_policy(PolicyArn=ARN)["Policy"]["Tags"] == LABELS


def test_the_role_may_attach_this_policy_to_the_role_of_the_schedules_and_no_other(world: World) -> None:
    world.ensure()
    document = world.iam.get_role_policy(RoleName=NAME, PolicyName="stop")["PolicyDocument"]
    [statement] = [item for item in document["Statement"] if "iam:AttachRolePolicy" in item["Action"]]
    assert statement["Resource"] == f"arn:aws:iam::{ACCOUNT}:role/dstk/{SCHEDULES}"
    assert statement["Condition"] == {"ArnEquals": {"iam:PolicyARN": ARN}}


@pytest.mark.parametrize("spent", [0, 200])
def test_a_second_time_nothing_is_changed_and_it_is_told_whether_it_is_spent(world: World, spent: float) -> None:
    world.ensure()
    if spent:
        world.budgets.spend(spent, world.iam)
    assert world.ensure() == (bool(spent), [])
    assert world.is_held() is bool(spent)


def test_a_deployment_of_an_older_dstk_gets_the_policy_and_its_action(world: World) -> None:
    make_older(world)
    spent, changes = world.ensure()
    assert (spent, changes) == (False, [f"policy of {NAME}", f"policy {NAME}", "action"])
    assert len(world.find_definitions("RUN_SSM_DOCUMENTS")) == len(world.find_definitions("APPLY_IAM_POLICY")) == 1


def make_older(world: World) -> None:
    """Leave a deployment with a budget as a dstk left it that held no schedules."""
    world.ensure()
    world.budgets.actions = {
        key: item for key, item in world.budgets.actions.items() if item["ActionType"] == "RUN_SSM_DOCUMENTS"
    }
    world.iam.put_role_policy(RoleName=NAME, PolicyName="stop", PolicyDocument=LOOK)
    world.iam.delete_policy(PolicyArn=ARN)


def test_a_budget_that_is_raised_holds_nothing_and_can_be_spent_again(world: World) -> None:
    world.ensure()
    world.budgets.spend(200, world.iam)
    assert world.ensure(300)[0] is False
    assert not world.is_held()
    assert [action["Status"] for action in world.budgets.actions.values()] == ["STANDBY"] * 2


@pytest.mark.parametrize("usd", [0, 3.5])
def test_in_a_new_year_the_actions_are_made_anew(world: World, usd: float) -> None:
    world.ensure()
    world.budgets.spend(200, world.iam)
    world.budgets.count(usd)
    assert world.ensure()[0] is False
    assert not world.is_held()
    assert [action["Status"] for action in world.budgets.actions.values()] == ["STANDBY"] * 2


@pytest.mark.parametrize("status", ["REVERSE_SUCCESS", "RESET_FAILURE", "EXECUTION_FAILURE"])
def test_an_action_that_does_not_stand_by_while_less_is_spent_is_made_anew(world: World, status: str) -> None:
    world.ensure()
    world.budgets.count(3.5)
    world.budgets.actions["1"]["Status"] = status
    world.ensure()
    assert [action["Status"] for action in world.budgets.actions.values()] == ["STANDBY"] * 2


@pytest.mark.parametrize(
    ("amount", "email"), [(100, "ada@example.org"), (200, "eve@example.org"), (300, "ada@example.org")]
)
def test_a_budget_that_is_made_anew_holds_on_where_more_is_spent(world: World, amount: float, email: str) -> None:
    world.ensure()
    world.budgets.spend(350, world.iam)
    assert world.ensure(amount, email=email)[0] is True
    # AWS has not counted yet, and then it has
    assert world.ensure(amount, email=email) == (True, [])
    assert world.is_held()
    world.budgets.spend(350, world.iam)
    assert world.ensure(amount, email=email) == (True, [])


def test_a_budget_that_is_raised_before_aws_counts_again_holds_nothing(world: World) -> None:
    world.ensure()
    world.budgets.spend(200, world.iam)
    world.ensure(100)
    assert world.ensure(300)[0] is False
    assert not world.is_held()


def test_when_aws_counts_less_nothing_is_held(world: World) -> None:
    hold_on(world)
    assert world.ensure(100) == (False, ["no action", "schedules start hosts", "action"])
    assert not world.is_held()


def hold_on(world: World) -> None:
    """Leave a new budget that holds the schedules, and of which AWS knows by now that less is spent."""
    world.ensure()
    world.budgets.spend(200, world.iam)
    world.ensure(100)
    world.budgets.count(3.5)


def test_what_aws_attaches_while_it_is_taken_off_is_attached_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_on(world)
    look = world.budgets.describe_budget_actions_for_budget

    def look_late(**request: Any) -> dict[str, Any]:
        found = look(**request)
        world.budgets.spend(100, world.iam)
        return found

    monkeypatch.setattr(world.budgets, "describe_budget_actions_for_budget", look_late)
    world.ensure(100)
    [hold] = [item for item in world.budgets.actions.values() if item["ActionType"] == "APPLY_IAM_POLICY"]
    assert world.is_held() or hold["Status"] == "STANDBY"


def test_what_somebody_detached_is_not_said_to_hold(world: World) -> None:
    world.ensure()
    world.budgets.spend(200, world.iam)
    world.iam.detach_role_policy(RoleName=SCHEDULES, PolicyArn=ARN)
    assert world.ensure() == (False, [])


@pytest.mark.parametrize(("amount", "held", "changes"), [(100, True, 5), (300, False, 6)])
def test_a_change_of_the_amount_that_was_killed_anywhere_is_ended_by_the_next_run(
    world: World, *, amount: float, held: bool, changes: int
) -> None:
    for number in range(100):
        world.open().ensure_absent()
        world.ensure()
        world.budgets.spend(200, world.iam)
        try:
            world.ensure(amount, changes_left=number)
        except InterruptedError:
            assert world.ensure(amount)[0] is held, number
            assert world.is_held() is held, number
            assert [action["Status"] for action in world.budgets.actions.values()] == ["STANDBY"] * 2, number
        else:
            assert number >= changes
            return
    pytest.fail("no run came to its end")


@pytest.mark.parametrize("older", [False, True])
def test_a_removal_that_was_killed_anywhere_is_ended_by_the_next_run(world: World, *, older: bool) -> None:
    for number in range(100):
        if older:
            make_older(world)
        else:
            world.ensure()
        world.budgets.spend(200, world.iam)
        try:
            world.open(changes_left=number).ensure_absent()
        except InterruptedError:
            world.open().ensure_absent()
            assert world.find_left() == (None, {}, [], [], False), number
        else:
            assert world.find_left() == (None, {}, [], [], False)
            assert number > 3
            return
    pytest.fail("no run came to its end")


EARLY = [
    ("AccessDeniedException", "Access denied"),
    ("InvalidParameterException", f"The execution role {NAME} can't be assumed"),
]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept; nobody waits for it."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def test_a_role_that_was_made_a_moment_ago_is_given_time_to_be_known(world: World, naps: list[float]) -> None:
    world.budgets.refusals = [*EARLY]
    world.ensure()
    assert (len(world.budgets.actions), len(naps)) == (2, 2)


def test_a_role_whose_policy_was_mended_is_given_time_too(world: World, naps: list[float]) -> None:
    make_older(world)
    world.budgets.refusals = [*EARLY]
    world.ensure()
    assert (len(world.budgets.actions), len(naps)) == (2, 2)


def test_after_two_minutes_it_is_told_that_the_role_is_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=30)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("time.sleep", lambda _: None)
    world.budgets.refusals = EARLY * 10
    with pytest.raises(ClientError):
        world.ensure()
    assert len(world.budgets.refusals) == 16


@pytest.mark.parametrize("known", [True, False])
def test_what_has_another_cause_is_told_at_once(world: World, naps: list[float], known: bool) -> None:
    """A role of before is known, and who may not make an action is refused by the same code."""
    world.ensure()
    if not known:
        world.open().ensure_absent()
    world.budgets.refusals = [EARLY[0] if known else ("InvalidParameterException", "100 subscribers are too many")]
    with pytest.raises(ClientError):
        world.ensure(200, *(f"i-{number:03}" for number in range(101)))
    assert naps == []


class Module:
    """What a module of Ansible is to its own functions."""

    region, check_mode = "us-west-2", False

    def __init__(self, budgets: Budgets, **given: Any) -> None:
        self.params = {"deployment": "csx450", "lease": "auto", "members": 1, "by": "", "until": "", **given}
        self._budgets = budgets

    def client(self, name: str, **_: Any) -> Any:
        known: dict[str, Any] = {"budgets": self._budgets, "iam": boto3.client("iam", self.region)}
        known |= {"ec2": boto3.client("ec2", self.region), "sts": boto3.client("sts", self.region)}
        return known[name] if name in known else boto3.client("scheduler", self.region)


def test_hosts_have_their_end_also_where_the_budget_cannot_be_made(world: World, load: Load) -> None:
    ec2: Any = boto3.client("ec2", "us-west-2")
    image = ec2.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": LABELS}]
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    world.iam.delete_role(RoleName=SCHEDULES)
    world.budgets.refusals = [("LimitExceededException", "too many")]
    module, plugin = Module(world.budgets, schedule={}, budget=200, budget_email="ada@x.org"), load(SCHEDULES_MODULE)
    with pytest.raises(ClientError, match="too many"):
        plugin.ensure_present(module, plugin.open_keeper(module))
    [host] = ec2.describe_instances()["Reservations"][0]["Instances"]
    assert "dstk:until" in {tag["Key"] for tag in host["Tags"]}


def test_where_only_it_is_asked_what_would_be_nothing_is_done(world: World) -> None:
    changes = world.ensure(200, check_mode=True)[1]
    assert changes == [f"role {NAME}", f"policy of {NAME}", f"policy {NAME}", "budget", "action", "action"]
    assert world.find_left() == (None, {}, [], [], False)


@pytest.mark.parametrize("kind", ["role", "policy"])
def test_what_is_somebody_elses_is_left_and_told(world: World, load: Load, kind: str) -> None:
    if kind == "role":
        world.iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=LOOK)
    else:
        world.iam.create_policy(PolicyName=NAME, Path="/dstk/", PolicyDocument=LOOK)
    before = world.find_left()
    world.open().ensure_absent()
    assert world.find_left() == before
    with pytest.raises(Exception, match=f"has a {kind} {NAME} already") as told:
        world.ensure()
    assert "Fix: " in str(told.value)
