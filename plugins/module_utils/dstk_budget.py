"""A deployment's AWS Budget: who is told when it is spent, and the actions by which AWS stops the hosts then."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, chunks, error_code
from ansible.module_utils.dstk_hold import Hold
from ansible.module_utils.dstk_role import Place, Role, call_patiently, find, make_document
from ansible.module_utils.dstk_schedule import find_budget, find_budget_role

POLICY = "stop"
THRESHOLDS = (50, 80, 100)
"""Percent of the budget at which somebody is told."""
STOP, HOLD = "RUN_SSM_DOCUMENTS", "APPLY_IAM_POLICY"
"""The types of its actions: one stops hosts, one keeps schedules from starting them again."""
ROLE_SECONDS = 120
"""How long AWS Budgets may take to know a role or a policy that IAM made, or changed, a moment ago."""


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
        """The role by which AWS Budgets stops the hosts, and keeps them so."""
        named = find_budget_role(self.deployment, self.place.region), self.deployment
        return Role(self.iam, *named, self.trust, self.policy, POLICY, check_mode=self.check_mode, changes=self.changes)

    @property
    def hold(self) -> Hold:
        """What keeps schedules from starting the hosts. A deployment without `start` has it too, and may get one."""
        return Hold(self.iam, self.deployment, self.place, self._change)

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
        """What the role may do: run AWS's own document, by it stop what carries the tag, and hold the schedules.

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
                self.hold.statement,
            ]
        )

    def ensure(self, amount: float, email: str, instance_ids: Sequence[str]) -> bool:
        """See to role, policy, budget and actions, and answer whether schedules are held, so that none starts hosts.

        An action takes 100 instances, and they are those of now.
        """
        before = len(self.changes)
        self.role.ensure()
        self.hold.ensure()
        role_is_new = len(self.changes) > before
        readers = [{"SubscriptionType": "EMAIL", "Address": email}]
        known, actions, held = find(self.budgets.describe_budget, **self.name), [], self.hold.is_attached()
        if known:
            actions = self.find_actions()
            anew = not _is_right(known["Budget"], actions, amount, readers)
            lifted = (held or anew) and _is_enough(known["Budget"], actions, amount)
            # an action runs once: that of the hold goes first, or what it attaches meanwhile is taken off for good
            ended = [action for action in actions if anew or (lifted and action["ActionType"] == HOLD)]
            for action in ended:
                self._delete(action)
            actions = [action for action in actions if action not in ended]
            if lifted:
                self.hold.lift()
                held = False
            if anew:
                # the calls of today change limits and notifications one by one; nothing is lost with the budget. It
                # goes last, for it knows what was spent: where there is none, what is attached is to stay
                self._change("no budget", self.budgets.delete_budget, **self.name)
                known = None
        if known is None:
            self._change("budget", self.budgets.create_budget, **self._describe(amount, readers))
        self._ensure_actions(actions, instance_ids, readers, role_is_new=role_is_new)
        return held

    def ensure_absent(self) -> None:
        """See to it that neither budget, actions, policy nor role is left. Without its role there is no budget.

        The actions go first, for they attach the policy, and the role last, for it tells that something may be left.
        """
        if self.role.is_own():
            for action in self.find_actions():
                self._delete(action)
            self.hold.ensure_absent()
            if find(self.budgets.describe_budget, **self.name):
                self._change("no budget", self.budgets.delete_budget, **self.name)
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

    def _ensure_actions(
        self,
        there: Sequence[Mapping[str, Any]],
        instance_ids: Sequence[str],
        readers: list[dict[str, str]],
        *,
        role_is_new: bool,
    ) -> None:
        wanted = {STOP: [self._define(part) for part in chunks(sorted(instance_ids))], HOLD: [self.hold.definition]}
        for kind, definitions in wanted.items():
            known = [action for action in there if action["ActionType"] == kind]
            for action in known[len(definitions) :]:
                self._delete(action)
            for action, definition in zip(known, definitions, strict=False):
                if action["Definition"] != definition:
                    request = {**self.name, "ActionId": action["ActionId"], "Definition": definition}
                    self._change("action", self.budgets.update_budget_action, **request)
            for definition in definitions[len(known) :]:
                self._create(kind, definition, readers, role_is_new=role_is_new)

    def _create(
        self, kind: str, definition: Mapping[str, Any], readers: list[dict[str, str]], *, role_is_new: bool
    ) -> None:
        """Make an action; a role that is new is given time.

        Who may not make one is refused by the same code, and would wait for nothing where the role is of before.
        """
        request = {
            **self.name,
            "NotificationType": "ACTUAL",
            "ActionType": kind,
            "ActionThreshold": {"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"},
            "Definition": definition,
            "ExecutionRoleArn": self.place.find_role_arn(self.role.name),
            "ApprovalModel": "AUTOMATIC",
            "Subscribers": readers,
        }
        call_patiently(
            lambda: self._change("action", self.budgets.create_budget_action, **request),
            _is_early,
            ROLE_SECONDS if role_is_new else 0,
        )

    def _define(self, instance_ids: list[str]) -> dict[str, Any]:
        stopping = {"ActionSubType": "STOP_EC2_INSTANCES", "Region": self.place.region, "InstanceIds": instance_ids}
        return {"SsmActionDefinition": stopping}

    def _delete(self, action: Mapping[str, Any]) -> None:
        self._change("no action", self.budgets.delete_budget_action, **self.name, ActionId=action["ActionId"])

    def _change(self, what: str, call: Callable[..., Any], **request: Any) -> Any:
        return self.role.change(what, call, **request)


def _is_right(
    budget: Mapping[str, Any], actions: Iterable[Mapping[str, Any]], amount: float, readers: list[dict[str, str]]
) -> bool:
    """Answer whether a budget has this limit, and its actions tell these readers and can still be carried out.

    Each is carried out once: where a new year has begun and less is spent, they have to be made anew.
    """
    limit, rows = float(_write_amount(amount)), list(actions)
    same = float(budget["BudgetLimit"]["Amount"]) == limit and all(row["Subscribers"] == readers for row in rows)
    spent = _find_spent(budget, rows)
    return same and (spent is None or spent >= limit or _stand_by(rows))


def _is_enough(budget: Mapping[str, Any], actions: Iterable[Mapping[str, Any]], amount: float) -> bool:
    """Answer whether this amount is more than what was spent; where nobody knows that, more than the limit was."""
    spent = _find_spent(budget, actions)
    return float(_write_amount(amount)) > (float(budget["BudgetLimit"]["Amount"]) if spent is None else spent)


def _find_spent(budget: Mapping[str, Any], actions: Iterable[Mapping[str, Any]]) -> float | None:
    """Answer what AWS knows to be spent, None where it has not counted yet.

    Of a budget that is new it says nothing, or 0. One that has carried out an action has counted, and then 0 is the
    beginning of a year.
    """
    spent = budget.get("CalculatedSpend", {}).get("ActualSpend", {}).get("Amount")
    if spent is None or (float(spent) == 0 and _stand_by(actions)):
        return None
    return float(spent)


def _stand_by(actions: Iterable[Mapping[str, Any]]) -> bool:
    return all(action["Status"] == "STANDBY" for action in actions)


def _is_early(error: ClientError) -> bool:
    """Answer whether AWS Budgets refuses an action as it does where it does not know the role, or a policy, yet."""
    code = error_code(error)
    told = re.search(r"\b(role|policy)\b", str(error), re.I)
    return code == "AccessDeniedException" or (code == "InvalidParameterException" and told is not None)


def _write_amount(amount: float) -> str:
    return f"{amount:.2f}"
