"""The bill of the account, which somebody may tell: what AWS Budgets then writes to people, and what its actions do.

https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-controls.html
"""

from __future__ import annotations

import json
import logging
import math
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any
from weakref import WeakKeyDictionary

from botocore.exceptions import BotoCoreError, ClientError
from moto.budgets.models import Budget, budgets_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from dstk_runner.sandbox.budget_actions import APPLY, SERVICE, find_actions
from dstk_runner.sandbox.roles import call_patiently, find_trust, make_role_client
from dstk_runner.sandbox.state import SandboxState
from dstk_runner.sandbox.wire import Call, Refusal

DOCUMENT = "AWS-StopEC2Instance"
TAG = "dstk:deployment"
#: Where IAM is asked, which is of no region.
REGION = "us-east-1"
log = logging.getLogger(__name__)

#: What has been spent, in USD, by what is counted: another budget of the same things finds the same bill.
_SPENT: dict[str, float] = {}


@dataclass(frozen=True)
class Notice:
    """What somebody was told: that a threshold of a budget is passed, or what became of an action."""

    budget: str
    to: tuple[str, ...]
    threshold: float
    spent: float
    limit: float
    action: str = ""


class Bill:
    """Knows what has been spent, and does what AWS Budgets does when it comes to know it."""

    def __init__(self, lock: AbstractContextManager[object], state: SandboxState) -> None:
        """Take the lock under which budgets change, and where the API answers."""
        self._lock = lock
        self._state = state
        self._turn = threading.Lock()
        self._sent: list[Notice] = []
        # a budget that is made anew tells anew
        self._told: WeakKeyDictionary[Budget, set[str]] = WeakKeyDictionary()

    def find_notices(self) -> list[dict[str, Any]]:
        """Return what was sent to people since the sandbox was started, the oldest first."""
        return [asdict(notice) for notice in self._sent]

    def ensure_spent(self, name: str, usd: float) -> list[dict[str, Any]]:
        """Let this be what has been spent of a budget, and return what was sent to people for it.

        Args:
            name: of the budget, or of the deployment that it is for.
            usd: spent since the budget's period began.

        Raises:
            ValueError: it is no amount, or there is no such budget.
        """
        if not (math.isfinite(usd) and usd >= 0):
            raise ValueError(f"{usd} is no amount")
        with self._turn:
            before = len(self._sent)
            with self._lock:
                found = _find_budget(name)
                _SPENT[_find_key(found)] = usd
                due = list(self._look(found, usd))
            for action in due:
                self._carry_out(action, found, usd)
            return self.find_notices()[before:]

    def _look(self, budget: Budget, usd: float) -> Iterator[dict[str, Any]]:
        """Tell whom a threshold concerns, and yield the actions that are to be carried out."""
        name, limit, told = str(budget.budget["BudgetName"]), _find_limit(budget), self._told.setdefault(budget, set())
        for notification in budget.notifications:
            details, key = notification.details, json.dumps(notification.details, sort_keys=True)
            passed = usd > _find_amount(details["Threshold"], details.get("ThresholdType", "PERCENTAGE"), limit)
            if details["NotificationType"] == "ACTUAL" and passed and key not in told:
                told.add(key)
                self._send(name, notification.subscribers, float(details["Threshold"]), usd, limit)
        for action in find_actions(DEFAULT_ACCOUNT_ID, name):
            threshold = action["ActionThreshold"]
            at = _find_amount(threshold["ActionThresholdValue"], threshold["ActionThresholdType"], limit)
            # unlike a notification it has no operator: what it names is reached
            waits = action["Status"] == "STANDBY" and action["NotificationType"] == "ACTUAL"
            if waits and usd >= at:
                action["Status"] = "EXECUTION_IN_PROGRESS" if action["ApprovalModel"] == "AUTOMATIC" else "PENDING"
                yield from [action] if action["ApprovalModel"] == "AUTOMATIC" else []

    def _carry_out(self, action: dict[str, Any], budget: Budget, usd: float) -> None:
        """Do as an action says, as its role; whatever comes of it, it is not done again."""
        status = "EXECUTION_SUCCESS"
        try:
            check_trust(action["ExecutionRoleArn"], action["BudgetName"])
            (apply_policy if action["ActionType"] == APPLY else stop_instances)(action, self._state)
        except (BotoCoreError, ClientError, PermissionError) as error:
            status = "EXECUTION_FAILURE"
            log.info("the action %s of %s failed: %s", action["ActionId"], action["BudgetName"], error)
        with self._lock:
            action["Status"] = status
            threshold, limit = float(action["ActionThreshold"]["ActionThresholdValue"]), _find_limit(budget)
            self._send(action["BudgetName"], action["Subscribers"], threshold, usd, limit, status)

    def _send(self, budget: str, readers: Any, threshold: float, spent: float, limit: float, action: str = "") -> None:
        self._sent.append(Notice(budget, tuple(row["Address"] for row in readers), threshold, spent, limit, action))


def stop_instances(action: Mapping[str, Any], state: SandboxState) -> None:
    """Carry out AWS's own document, by which instances are stopped, as the role of an action.

    Raises:
        ClientError: the role may not do it, or EC2 refuses.
    """
    role, wanted = action["ExecutionRoleArn"], action["Definition"]["SsmActionDefinition"]
    ids, region = list(wanted["InstanceIds"]), wanted["Region"]
    make_role_client(state, role, region, "ssm").start_automation_execution(
        DocumentName=DOCUMENT, Parameters={"InstanceId": ids}
    )
    client = make_role_client(state, role, region)
    client.describe_instance_status(InstanceIds=ids, IncludeAllInstances=True)
    call_patiently(client.stop_instances, {"InstanceIds": ids})


def apply_policy(action: Mapping[str, Any], state: SandboxState) -> None:
    """Attach a policy to roles, as the role of an action.

    Raises:
        ClientError: the role may not do it, or IAM refuses.
    """
    wanted = action["Definition"]["IamActionDefinition"]
    client = make_role_client(state, action["ExecutionRoleArn"], REGION, "iam")
    for name in wanted["Roles"]:
        client.attach_role_policy(RoleName=name, PolicyArn=wanted["PolicyArn"])


def check_trust(role: str, budget: str) -> None:
    """Raise PermissionError where a role does not trust AWS Budgets with a budget of this account.

    https://docs.aws.amazon.com/cost-management/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    known = {
        "aws:SourceAccount": DEFAULT_ACCOUNT_ID,
        "aws:SourceArn": f"arn:aws:budgets::{DEFAULT_ACCOUNT_ID}:budget/{budget}",
    }
    for condition in find_trust(role, SERVICE):
        equal = condition.get("StringEquals", {}).items() <= known.items()
        like = condition.get("ArnLike", {}).items()
        if equal and all(fnmatchcase(known.get(key, ""), pattern) for key, pattern in like):
            return
    raise PermissionError(f"{role} does not trust {SERVICE} with {budget}")


def find_answer(call: Call) -> dict[str, Any] | None:
    """Answer the start of AWS's document; let moto, where it is asked for budgets, know what has been spent of them."""
    if (call.service, call.action) == ("ssm", "StartAutomationExecution"):
        if call.params["DocumentName"] != DOCUMENT:
            raise Refusal("AutomationDefinitionNotFoundException", f"{call.params['DocumentName']} is not known here")
        return {"AutomationExecutionId": str(uuid.uuid4())}
    if call.service == "budgets" and call.action.startswith("DescribeBudget"):
        for budget in budgets_backends[DEFAULT_ACCOUNT_ID]["aws"].budgets[DEFAULT_ACCOUNT_ID].values():
            _tell(budget)
    return None


def _tell(budget: Budget) -> None:
    usd = _SPENT.get(_find_key(budget), 0.0)
    amounts = {"Amount": f"{usd:.2f}", "Unit": "USD"}
    budget.budget["CalculatedSpend"] = {"ActualSpend": amounts, "ForecastedSpend": dict(amounts)}


def _find_budget(name: str) -> Budget:
    """Find a budget by its name, or the one that counts what bears a deployment's tag."""
    budgets: Mapping[str, Budget] = budgets_backends[DEFAULT_ACCOUNT_ID]["aws"].budgets[DEFAULT_ACCOUNT_ID]
    tag = f"user:{TAG}${name}"
    tagged = [key for key, item in budgets.items() if tag in item.budget.get("CostFilters", {}).get("TagKeyValue", ())]
    found = [name] if name in budgets else tagged
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} budgets are meant by {name}: name one of {', '.join(found or budgets) or 'none'}"
        )
    return budgets[found[0]]


def _find_key(budget: Budget) -> str:
    return json.dumps(budget.budget.get("CostFilters", {}), sort_keys=True)


def _find_limit(budget: Budget) -> float:
    return float(budget.budget["BudgetLimit"]["Amount"])


def _find_amount(value: Any, kind: str, limit: float) -> float:
    return float(value) * limit / 100 if kind == "PERCENTAGE" else float(value)
