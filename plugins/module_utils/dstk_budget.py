"""A deployment's AWS Budget: who is told when it is spent, and the actions by which AWS stops the hosts then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, chunks
from ansible.module_utils.dstk_role import Place, Role, find, make_document
from ansible.module_utils.dstk_schedule import find_budget, find_budget_role

POLICY = "stop"
THRESHOLDS = (50, 80, 100)
"""Percent of the budget at which somebody is told."""


@dataclass
class Purse:
    """The budget of one deployment; `changes` are what was made or removed, or in check mode would be."""

    budgets: Any
    iam: Any
    deployment: str
    place: Place
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)

    @property
    def name(self) -> dict[str, str]:
        """How every call names the budget."""
        return {"AccountId": self.place.account, "BudgetName": find_budget(self.deployment, self.place.region)}

    @property
    def role(self) -> Role:
        """The role by which AWS Budgets stops the hosts."""
        named = find_budget_role(self.deployment, self.place.region), self.deployment
        return Role(self.iam, *named, self.trust, self.policy, POLICY, check_mode=self.check_mode, changes=self.changes)

    @property
    def trust(self) -> dict[str, Any]:
        """Who may take the role: AWS Budgets, for the budgets of this account."""
        condition = {
            "StringEquals": {"aws:SourceAccount": self.place.account},
            "ArnLike": {"aws:SourceArn": f"arn:{self.place.partition}:budgets::{self.place.account}:budget/*"},
        }
        service = {"Service": "budgets.amazonaws.com"}
        return make_document([{"Principal": service, "Action": "sts:AssumeRole", "Condition": condition}])

    @property
    def policy(self) -> dict[str, Any]:
        """What the role may do: run AWS's own document, and by it stop what carries the tag.

        https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBudgetsActions_RolePolicyForResourceAdministrationWithSSM.html
        """
        ssm = f"arn:{self.place.partition}:ssm:{self.place.region}"
        tagged = {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self.deployment}}
        instances = f"arn:{self.place.partition}:ec2:{self.place.region}:{self.place.account}:instance/*"
        documents = [
            f"{ssm}:*:automation-definition/AWS-StopEC2Instance:*",
            f"{ssm}:*:document/AWS-StopEC2Instance",
            f"{ssm}:{self.place.account}:automation-execution/*",
        ]
        return make_document(
            [
                {"Action": "ec2:DescribeInstanceStatus", "Resource": "*"},
                {"Action": "ec2:StopInstances", "Resource": instances, "Condition": tagged},
                {"Action": "ssm:StartAutomationExecution", "Resource": documents},
            ]
        )

    def ensure(self, amount: float, email: str, instance_ids: Sequence[str]) -> None:
        """See to role, budget and actions; an action takes 100 instances, and they are those of now."""
        self.role.ensure()
        readers = [{"SubscriptionType": "EMAIL", "Address": email}]
        known = find(self.budgets.describe_budget, **self.name)
        if known and not self._is_right(known["Budget"], amount, readers):
            # the calls of today change limits and notifications one by one; nothing is lost with the budget
            self._remove()
            known = None
        if known is None:
            self.role.change("budget", self.budgets.create_budget, **self._describe(amount, readers))
        self._ensure_actions([sorted(part) for part in chunks(sorted(instance_ids))], readers)

    def ensure_absent(self) -> None:
        """See to it that neither budget, nor actions, nor role is left. Without its role there is no budget."""
        if self.role.is_own():
            self._remove()
            self.role.ensure_absent()

    def find_actions(self) -> list[dict[str, Any]]:
        """Answer the actions of the budget."""
        found = find(self.budgets.describe_budget_actions_for_budget, **self.name, MaxResults=100)
        return list(found["Actions"]) if found else []

    def _describe(self, amount: float, readers: list[dict[str, str]]) -> dict[str, Any]:
        notices = [
            {
                "NotificationType": "ACTUAL",
                "ComparisonOperator": "GREATER_THAN",
                "Threshold": float(threshold),
                "ThresholdType": "PERCENTAGE",
            }
            for threshold in THRESHOLDS
        ]
        counted = {"TagKeyValue": [f"user:{DEPLOYMENT_TAG}${self.deployment}"], "Region": [self.place.region]}
        return {
            "AccountId": self.place.account,
            "Budget": {
                "BudgetName": self.name["BudgetName"],
                "BudgetLimit": {"Amount": _write_amount(amount), "Unit": "USD"},
                "BudgetType": "COST",
                "TimeUnit": "ANNUALLY",
                "CostFilters": counted,
            },
            "NotificationsWithSubscribers": [{"Notification": item, "Subscribers": readers} for item in notices],
        }

    def _is_right(self, budget: Mapping[str, Any], amount: float, readers: list[dict[str, str]]) -> bool:
        """Answer whether a budget has this limit, and its actions tell these readers."""
        told = [action["Subscribers"] for action in self.find_actions()]
        same = float(budget["BudgetLimit"]["Amount"]) == float(_write_amount(amount))
        return same and all(row == readers for row in told)

    def _ensure_actions(self, parts: list[list[str]], readers: list[dict[str, str]]) -> None:
        for number, action in enumerate(there := self.find_actions()):
            if number >= len(parts):
                self.role.change(
                    "no action", self.budgets.delete_budget_action, **self.name, ActionId=action["ActionId"]
                )
            elif action["Definition"] != (wanted := self._define(parts[number])):
                request = {**self.name, "ActionId": action["ActionId"], "Definition": wanted}
                self.role.change("action", self.budgets.update_budget_action, **request)
        for part in parts[len(there) :]:
            self.role.change(
                "action",
                self.budgets.create_budget_action,
                **self.name,
                NotificationType="ACTUAL",
                ActionType="RUN_SSM_DOCUMENTS",
                ActionThreshold={"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"},
                Definition=self._define(part),
                ExecutionRoleArn=self.place.find_role_arn(self.role.name),
                ApprovalModel="AUTOMATIC",
                Subscribers=readers,
            )

    def _define(self, instance_ids: list[str]) -> dict[str, Any]:
        stopping = {"ActionSubType": "STOP_EC2_INSTANCES", "Region": self.place.region, "InstanceIds": instance_ids}
        return {"SsmActionDefinition": stopping}

    def _remove(self) -> None:
        for action in self.find_actions():
            self._delete(action)
        if find(self.budgets.describe_budget, **self.name):
            self.role.change("no budget", self.budgets.delete_budget, **self.name)

    def _delete(self, action: Mapping[str, Any]) -> None:
        self.role.change("no action", self.budgets.delete_budget_action, **self.name, ActionId=action["ActionId"])


def _write_amount(amount: float) -> str:
    return f"{amount:.2f}"
