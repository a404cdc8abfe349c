"""A budget has an AWS Budget that tells of it; one action stops the hosts of now, one holds their schedules."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.life import Life, make_user
from support.place import DEPLOYMENT, OURS, REGION, Place, opened

BUDGET = {"AccountId": "123456789012", "BudgetName": f"dstk-{DEPLOYMENT}-{REGION}"}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Life, str]]:
    """A deployment with a budget, led by somebody who may do just what the policy says."""
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as place:
        file = place.folder / "dstk.yml"
        write(place, 200, "ada")
        user = make_user(place, make_policy(load_config(file)), "ada")
        life = Life(place, user, file)
        life.provision()
        yield place, life, user["AWS_ACCESS_KEY_ID"]


def write(place: Place, budget: int, *students: str) -> None:
    hours = {"start": "08:00", "stop": "20:00"}
    document = {"deployment": DEPLOYMENT, "students": list(students), "budget": budget, "schedule": hours}
    (place.folder / "dstk.yml").write_text(json.dumps({**document, "budget_email": "ada@example.org"}))


def find_actions(place: Place, kind: str = "") -> list[dict[str, Any]]:
    found = place.make_client("budgets").describe_budget_actions_for_budget(**BUDGET)["Actions"]
    return [action for action in found if kind in ("", action["ActionType"])]


def find_statuses(place: Place) -> set[str]:
    return {action["Status"] for action in find_actions(place)}


def stopped_by(place: Place) -> list[str]:
    [action] = find_actions(place, "RUN_SSM_DOCUMENTS")
    found: list[str] = action["Definition"]["SsmActionDefinition"]["InstanceIds"]
    return found


def test_the_budget_is_of_what_carries_the_tag(lives: tuple[Place, Life, str]) -> None:
    budget = lives[0].make_client("budgets").describe_budget(**BUDGET)["Budget"]
    assert budget["CostFilters"] == {"TagKeyValue": [f"user:dstk:deployment${DEPLOYMENT}"], "Region": [REGION]}
    assert float(budget["BudgetLimit"]["Amount"]) == 200


def test_somebody_is_told_at_50_80_and_100_percent(lives: tuple[Place, Life, str]) -> None:
    found = lives[0].make_client("budgets").describe_notifications_for_budget(**BUDGET)["Notifications"]
    assert [item["Threshold"] for item in found] == [50, 80, 100]


def test_when_it_is_spent_the_hosts_are_stopped_by_themselves(lives: tuple[Place, Life, str]) -> None:
    for action in find_actions(lives[0]):
        assert action["ActionThreshold"] == {"ActionThresholdValue": 100, "ActionThresholdType": "PERCENTAGE"}
        assert action["ApprovalModel"] == "AUTOMATIC"
        assert action["ExecutionRoleArn"].endswith(f"{DEPLOYMENT}-{REGION}-budget")
    assert stopped_by(lives[0]) == [item["InstanceId"] for item in lives[0].instances()]


def test_one_policy_is_attached_to_the_role_of_the_schedules_then(lives: tuple[Place, Life, str]) -> None:
    place = lives[0]
    [action] = find_actions(place, "APPLY_IAM_POLICY")
    [policy] = place.make_client("iam").list_policies(Scope="Local")["Policies"]
    assert policy["Arn"].endswith(f":policy/dstk/{DEPLOYMENT}-{REGION}-budget")
    attached = {"PolicyArn": policy["Arn"], "Roles": [f"{DEPLOYMENT}-{REGION}-schedule"]}
    assert action["Definition"] == {"IamActionDefinition": attached}
    assert find_held(place) == []


def find_held(place: Place) -> list[str]:
    """The policies that are attached to the role of the schedules."""
    found = place.make_client("iam").list_attached_role_policies(RoleName=f"{DEPLOYMENT}-{REGION}-schedule")
    return [policy["PolicyName"] for policy in found["AttachedPolicies"]]


def test_a_second_host_and_another_limit_come_with_the_next_run(lives: tuple[Place, Life, str]) -> None:
    place, life, _ = lives
    write(place, 200, "ada", "bob")
    life.provision()
    assert stopped_by(place) == sorted(item["InstanceId"] for item in place.instances())
    write(place, 300, "ada", "bob")
    life.provision()
    assert float(place.make_client("budgets").describe_budget(**BUDGET)["Budget"]["BudgetLimit"]["Amount"]) == 300
    assert len(stopped_by(place)) == 2


def test_a_role_that_was_opened_is_closed_and_another_reader_is_told(lives: tuple[Place, Life, str]) -> None:
    place, life, _ = lives
    iam, role = place.make_client("iam"), {"RoleName": f"{DEPLOYMENT}-{REGION}-budget", "PolicyName": "stop"}
    wide = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    before = iam.get_role_policy(**role)["PolicyDocument"]
    iam.put_role_policy(**role, PolicyDocument=json.dumps(wide))
    life.file.write_text(life.file.read_text().replace("ada@", "eve@"))
    life.provision()
    assert iam.get_role_policy(**role)["PolicyDocument"] == before
    assert {reader["Address"] for action in find_actions(place) for reader in action["Subscribers"]} == {
        "eve@example.org"
    }


def states(place: Place) -> list[str]:
    return [item["State"]["Name"] for item in place.instances()]


def find_spent(place: Place) -> float:
    budget = place.make_client("budgets").describe_budget(**BUDGET)["Budget"]
    return float(budget["CalculatedSpend"]["ActualSpend"]["Amount"])


def spend(place: Place, usd: float) -> list[tuple[float, str]]:
    """Let it be spent; the threshold of all that was sent, and what became of an action."""
    sent = sandbox.spend(DEPLOYMENT, usd, directory=place.folder)
    return [(notice["threshold"], notice["action"]) for notice in sent]


def test_until_all_is_spent_somebody_is_told_and_hosts_go_on(lives: tuple[Place, Life, str]) -> None:
    place, life, _ = lives
    write(place, 200, "ada", "bob")
    life.provision()
    assert spend(place, 199) == [(50, ""), (80, "")]
    assert spend(place, 199) == []
    assert (find_spent(place), states(place)) == (199, ["running"] * 2)
    sent = sandbox.find_notifications(directory=place.folder)
    assert {address for notice in sent for address in notice["to"]} == {"ada@example.org"}


def test_a_role_that_may_stop_and_hold_only_others_is_refused_and_not_tried_again(
    lives: tuple[Place, Life, str],
) -> None:
    place, life, _ = lives
    iam, role = place.make_client("iam"), {"RoleName": f"{DEPLOYMENT}-{REGION}-budget", "PolicyName": "stop"}
    right = json.dumps(iam.get_role_policy(**role)["PolicyDocument"])
    other = right.replace(f'": "{DEPLOYMENT}"', '": "another"').replace(":policy/dstk/", ":policy/another/")
    iam.put_role_policy(**role, PolicyDocument=other)
    assert spend(place, 200) == [(100, "EXECUTION_FAILURE")] * 2
    life.provision()
    assert json.dumps(iam.get_role_policy(**role)["PolicyDocument"]) == right
    assert spend(place, 201) == [(100, "")]
    assert (find_statuses(place), find_held(place)) == ({"EXECUTION_FAILURE"}, [])
    assert states(place) == ["running"] * 2


def test_a_budget_that_is_raised_knows_what_was_spent_and_stops_the_hosts_when_that_is(
    lives: tuple[Place, Life, str],
) -> None:
    place, life, _ = lives
    write(place, 300, "ada", "bob")
    life.provision()
    homes = find_homes(place)
    assert (find_statuses(place), find_spent(place)) == ({"STANDBY"}, 201)
    assert spend(place, 300) == [(50, ""), (80, ""), *[(100, "EXECUTION_SUCCESS")] * 2]
    wait(place, "stopped")
    assert (len(homes), find_homes(place)) == (2, homes)


def wait(place: Place, state: str) -> None:
    """Until all hosts are so."""
    ids = [item["InstanceId"] for item in place.instances()]
    place.client.get_waiter(f"instance_{state}").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def find_homes(place: Place) -> dict[str, str]:
    """Each volume with a home, and the instance that has it."""
    found = place.client.describe_volumes(Filters=[*OURS, {"Name": "tag-key", "Values": ["dstk:homes"]}])["Volumes"]
    return {row["VolumeId"]: row["Attachments"][0]["InstanceId"] for row in found}


def test_it_is_done_once_and_who_starts_hosts_by_hand_is_told(lives: tuple[Place, Life, str]) -> None:
    place, life, _ = lives
    output = place.ensure("provision", "-e", f"dstk_config={life.file}")
    assert "300.00 USD are spent: no schedule starts the hosts until `budget` is raised" in " ".join(output.split())
    assert spend(place, 400) == [(100, "")]
    assert find_statuses(place) == {"EXECUTION_SUCCESS"}
    assert states(place) == ["running"] * 2


def turn(place: Place, days: int, hour: int, action: str) -> set[str]:
    """Let it be so many days later, at an hour, UTC, and answer what came of an action of the schedules on the way."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    told = sandbox.turn_clock(moment.replace(hour=hour, minute=0), directory=place.folder)
    return {row["error"] for row in told if row["action"] == action}


def test_a_schedule_stops_such_hosts_and_does_not_start_them_again(lives: tuple[Place, Life, str]) -> None:
    place = lives[0]
    assert find_held(place) == [f"{DEPLOYMENT}-{REGION}-budget"]
    assert turn(place, 1, 21, "stopInstances") == {""}
    wait(place, "stopped")
    [refusal] = turn(place, 2, 9, "startInstances")
    assert "UnauthorizedOperation" in refusal
    assert states(place) == ["stopped"] * 2


def test_what_is_attached_is_not_deleted(lives: tuple[Place, Life, str]) -> None:
    iam = lives[0].make_client("iam")
    [policy] = iam.list_policies(Scope="Local")["Policies"]
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_policy(PolicyArn=policy["Arn"])


@pytest.mark.parametrize(
    "definition",
    [
        {"SsmActionDefinition": {"ActionSubType": "STOP_EC2_INSTANCES", "Region": REGION, "InstanceIds": ["i-1"]}},
        {"IamActionDefinition": {"PolicyArn": "POLICY", "Roles": ["nobody"]}},
        {"IamActionDefinition": {"PolicyArn": "POLICY"}},
        {"IamActionDefinition": {"PolicyArn": "arn:aws:iam::123456789012:policy/none", "Roles": ["ROLE"]}},
    ],
)
def test_an_action_that_could_attach_nothing_is_refused(
    lives: tuple[Place, Life, str], definition: dict[str, Any]
) -> None:
    budgets, [action] = lives[0].make_client("budgets"), find_actions(lives[0], "APPLY_IAM_POLICY")
    right = action["Definition"]["IamActionDefinition"]
    text = json.dumps(definition).replace("POLICY", right["PolicyArn"]).replace("ROLE", right["Roles"][0])
    kept = {key: value for key, value in action.items() if key not in ("ActionId", "BudgetName", "Status")}
    with pytest.raises(budgets.exceptions.InvalidParameterException):
        budgets.create_budget_action(**BUDGET, **{**kept, "Definition": json.loads(text)})


def test_once_the_budget_is_raised_a_schedule_starts_them(lives: tuple[Place, Life, str]) -> None:
    place, life, _ = lives
    write(place, 500, "ada", "bob")
    life.provision()
    assert (find_statuses(place), find_held(place)) == ({"STANDBY"}, [])
    assert turn(place, 2, 21, "stopInstances") == {""}
    wait(place, "stopped")
    assert turn(place, 3, 9, "startInstances") == {""}
    wait(place, "running")


def test_a_budget_that_nobody_wants_any_more_keeps_no_schedule_from_starting_hosts(
    lives: tuple[Place, Life, str],
) -> None:
    place, life, _ = lives
    assert spend(place, 500) == [(50, ""), (80, ""), *[(100, "EXECUTION_SUCCESS")] * 2]
    right = life.file.read_text()
    life.file.write_text(json.dumps({**json.loads(right), "budget": 0}))
    life.provision()
    assert (find_held(place), place.make_client("iam").list_policies(Scope="Local")["Policies"]) == ([], [])
    life.file.write_text(right)
    life.provision()
    # the bill is the same, so that it is spent at once
    assert spend(place, 501)[-1] == (100, "EXECUTION_SUCCESS")
    assert find_held(place) == [f"{DEPLOYMENT}-{REGION}-budget"]


def test_destroy_leaves_nothing_of_it_and_asks_for_nothing_else(lives: tuple[Place, Life, str]) -> None:
    place, life, key = lives
    life.destroy()
    assert place.make_client("budgets").describe_budgets(AccountId="123456789012")["Budgets"] == []
    # homes had a last snapshot, which AWS deletes as this role when it expires
    assert [role["RoleName"] for role in place.make_client("iam").list_roles()["Roles"]] == [
        f"{DEPLOYMENT}-{REGION}-expiry"
    ]
    assert place.make_client("iam").list_policies(Scope="Local")["Policies"] == []
    known = [item for item in find_permissions(load_config(life.file)) if not item.unseen]
    asked = sandbox.find_permissions(key, directory=place.folder)
    services = ("budgets:", "iam:")
    assert {name for name in asked if name.startswith(services)} == {
        item.action for item in known if item.action.startswith(services)
    }
