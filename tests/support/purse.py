"""AWS Budgets, as far as a deployment's budget needs it, beside moto's IAM."""

from __future__ import annotations

import itertools
import json
from typing import Any

import boto3
from botocore.exceptions import ClientError

from support.plugins import Load

ACCOUNT = "123456789012"
NAME = "csx450-us-west-2-budget"
ARN = f"arn:aws:iam::{ACCOUNT}:policy/dstk/{NAME}"
SCHEDULES = "csx450-us-west-2-schedule"
LABELS = [{"Key": "dstk:deployment", "Value": "csx450"}]
LOOK = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}]}
)


class Budgets:
    """What AWS Budgets knows, and what it does when a budget is spent."""

    def __init__(self) -> None:
        self.budget: dict[str, Any] | None = None
        self.actions: dict[str, dict[str, Any]] = {}
        self.ids = itertools.count()
        self.refusals: list[tuple[str, str]] = []
        """Code and text of each refusal that is due before an action is made."""

    def describe_budget(self, **_: Any) -> dict[str, Any]:
        self._check()
        return {"Budget": self.budget}

    def create_budget(self, **request: Any) -> None:
        self.budget = dict(request["Budget"])
        self.count(0)

    def delete_budget(self, **_: Any) -> None:
        self._check()
        self.budget = None

    def describe_budget_actions_for_budget(self, **_: Any) -> dict[str, Any]:
        self._check()
        return {"Actions": [dict(action) for action in self.actions.values()]}

    def create_budget_action(self, **request: Any) -> None:
        self._check()
        if self.refusals:
            code, text = self.refusals.pop(0)
            raise ClientError({"Error": {"Code": code, "Message": text}}, "CreateBudgetAction")
        key = str(next(self.ids))
        self.actions[key] = {**request, "ActionId": key, "Status": "STANDBY"}

    def update_budget_action(self, **request: Any) -> None:
        self.actions[request["ActionId"]] |= request

    def delete_budget_action(self, **request: Any) -> None:
        del self.actions[request["ActionId"]]

    def count(self, usd: float) -> None:
        """Know what was spent; of a budget that is new that is nothing, whatever was."""
        assert self.budget is not None
        self.budget["CalculatedSpend"] = {"ActualSpend": {"Amount": str(usd), "Unit": "USD"}}

    def spend(self, usd: float, iam: Any) -> None:
        """Carry the actions out."""
        self.count(usd)
        for action in self.actions.values():
            action["Status"] = "EXECUTION_SUCCESS"
            if "IamActionDefinition" in action["Definition"]:
                wanted = action["Definition"]["IamActionDefinition"]
                for role in wanted["Roles"]:
                    iam.attach_role_policy(RoleName=role, PolicyArn=wanted["PolicyArn"])

    def _check(self) -> None:
        if self.budget is None:
            raise ClientError({"Error": {"Code": "NotFoundException"}}, "DescribeBudget")


class Fragile:
    """A client of which a run is killed just before its nth change."""

    def __init__(self, client: Any, left: list[int]) -> None:
        self._client = client
        self._left = left

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("delete", "detach", "create", "put", "update")):
            self._left[0] -= 1
            if self._left[0] < 0:
                raise InterruptedError(name)
        return getattr(self._client, name)


class World:
    """IAM with the role of the schedules, and AWS Budgets."""

    def __init__(self, load: Load) -> None:
        self.iam: Any = boto3.client("iam", "us-west-2")
        self.budgets = Budgets()
        self.plugin = load("module_utils/dstk_budget")
        self.place = load("module_utils/dstk_role").Place("us-west-2", ACCOUNT)
        self.iam.create_role(RoleName=SCHEDULES, Path="/dstk/", AssumeRolePolicyDocument=LOOK)

    def open(self, *, changes_left: int = 1000, check_mode: bool = False) -> Any:
        left = [changes_left]
        clients = Fragile(self.budgets, left), Fragile(self.iam, left)
        return self.plugin.Purse(*clients, "csx450", self.place, check_mode=check_mode)

    def ensure(
        self, amount: float = 200, *hosts: str, email: str = "ada@example.org", **how: Any
    ) -> tuple[bool, list[str]]:
        """Whether it is spent, and what was changed."""
        purse = self.open(**how)
        return purse.ensure(amount, email, hosts or ("i-1",)), purse.changes

    def find_definitions(self, kind: str) -> list[dict[str, Any]]:
        return [item["Definition"] for item in self.budgets.actions.values() if item["ActionType"] == kind]

    def is_held(self) -> bool:
        attached = self.iam.list_attached_role_policies(RoleName=SCHEDULES)["AttachedPolicies"]
        return [row["PolicyArn"] for row in attached] == [ARN]

    def find_left(self) -> tuple[Any, ...]:
        """What is there but the role of the schedules."""
        roles = [role["RoleName"] for role in self.iam.list_roles()["Roles"] if role["RoleName"] != SCHEDULES]
        policies = self.iam.list_policies(Scope="Local")["Policies"]
        return self.budgets.budget, self.budgets.actions, roles, policies, self.is_held()
