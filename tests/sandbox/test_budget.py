"""A budget has an AWS Budget that tells of it, and an action that stops the hosts of now."""

from __future__ import annotations

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
    document = {"deployment": DEPLOYMENT, "students": list(students), "budget": budget}
    (place.folder / "dstk.yml").write_text(json.dumps({**document, "budget_email": "ada@example.org"}))


def find_actions(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.make_client("budgets").describe_budget_actions_for_budget(**BUDGET)["Actions"]
    return found


def stopped_by(place: Place) -> list[str]:
    [action] = find_actions(place)
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
    [action] = find_actions(lives[0])
    assert action["ActionThreshold"] == {"ActionThresholdValue": 100, "ActionThresholdType": "PERCENTAGE"}
    assert action["ApprovalModel"] == "AUTOMATIC"
    assert action["ExecutionRoleArn"].endswith(f"{DEPLOYMENT}-{REGION}-budget")
    assert stopped_by(lives[0]) == [item["InstanceId"] for item in lives[0].instances()]


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
    assert [reader["Address"] for action in find_actions(place) for reader in action["Subscribers"]] == [
        "eve@example.org"
    ]


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


def test_a_role_that_may_stop_only_what_bears_another_tag_is_refused_and_not_tried_again(
    lives: tuple[Place, Life, str],
) -> None:
    place, life, _ = lives
    iam, role = place.make_client("iam"), {"RoleName": f"{DEPLOYMENT}-{REGION}-budget", "PolicyName": "stop"}
    right = json.dumps(iam.get_role_policy(**role)["PolicyDocument"])
    iam.put_role_policy(**role, PolicyDocument=right.replace(f'": "{DEPLOYMENT}"', '": "another"'))
    assert spend(place, 200) == [(100, "EXECUTION_FAILURE")]
    life.provision()
    assert json.dumps(iam.get_role_policy(**role)["PolicyDocument"]) == right
    assert spend(place, 201) == [(100, "")]
    assert [action["Status"] for action in find_actions(place)] == ["EXECUTION_FAILURE"]
    assert states(place) == ["running"] * 2


def test_a_budget_that_is_raised_knows_what_was_spent_and_stops_the_hosts_when_that_is(
    lives: tuple[Place, Life, str],
) -> None:
    place, life, _ = lives
    write(place, 300, "ada", "bob")
    life.provision()
    homes = find_homes(place)
    assert ([action["Status"] for action in find_actions(place)], find_spent(place)) == (["STANDBY"], 201)
    assert spend(place, 300) == [(50, ""), (80, ""), (100, "EXECUTION_SUCCESS")]
    ids = [item["InstanceId"] for item in place.instances()]
    place.client.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
    assert states(place) == ["stopped"] * 2
    assert (len(homes), find_homes(place)) == (2, homes)


def find_homes(place: Place) -> dict[str, str]:
    """Each volume with a home, and the instance that has it."""
    found = place.client.describe_volumes(Filters=[*OURS, {"Name": "tag-key", "Values": ["dstk:homes"]}])["Volumes"]
    return {row["VolumeId"]: row["Attachments"][0]["InstanceId"] for row in found}


def test_it_is_done_once(lives: tuple[Place, Life, str]) -> None:
    place, life, _ = lives
    life.provision()
    assert spend(place, 400) == [(100, "")]
    assert [action["Status"] for action in find_actions(place)] == ["EXECUTION_SUCCESS"]
    assert states(place) == ["running"] * 2


def test_destroy_leaves_nothing_of_it_and_asks_for_nothing_else(lives: tuple[Place, Life, str]) -> None:
    place, life, key = lives
    life.destroy()
    assert place.make_client("budgets").describe_budgets(AccountId="123456789012")["Budgets"] == []
    # homes had a last snapshot, which AWS deletes as this role when it expires
    assert [role["RoleName"] for role in place.make_client("iam").list_roles()["Roles"]] == [
        f"{DEPLOYMENT}-{REGION}-expiry"
    ]
    wanted = {item.action for item in find_permissions(load_config(life.file)) if item.needed == "budget"}
    asked = sandbox.find_permissions(key, directory=place.folder)
    assert {name for name in asked if name.startswith("budgets:")} == wanted
