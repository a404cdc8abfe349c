"""Actions of AWS Budgets, which moto has not: kept beside moto's budgets, by account and budget.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CreateBudgetAction.html
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from moto.budgets.models import budgets_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from dstk_runner.sandbox.roles import find_trust
from dstk_runner.sandbox.wire import Call, Refusal

SERVICE = "budgets.amazonaws.com"
INSTANCES = 100
STOP, APPLY = "RUN_SSM_DOCUMENTS", "APPLY_IAM_POLICY"
_DEFINITIONS = {STOP: "SsmActionDefinition", APPLY: "IamActionDefinition"}
_NEEDED = (
    *("NotificationType", "ActionType", "ActionThreshold", "Definition"),
    *("ExecutionRoleArn", "ApprovalModel", "Subscribers"),
)

Actions = dict[str, dict[str, Any]]
_KEPT: dict[tuple[str, str], Actions] = {}


def find_answer(call: Call) -> dict[str, Any] | None:
    """Answer a call that is about actions; None is for moto. With a budget its actions go."""
    if call.service != "budgets":
        return None
    if call.action == "DeleteBudget":
        _KEPT.pop(_find_key(call), None)
    answer = _ANSWERS.get(call.action)
    return answer(call) if answer else None


def find_actions(account: str, budget: str) -> list[dict[str, Any]]:
    """Return the actions of a budget as they are kept: what is written into them is so."""
    return list(_KEPT.get((account, budget), {}).values())


def _create(call: Call) -> dict[str, Any]:
    actions = _find_actions(call)
    action = {key: call.params[key] for key in _NEEDED}
    _check(action)
    own = {"ActionId": str(uuid.uuid4()), "BudgetName": call.params["BudgetName"], "Status": "STANDBY"}
    actions[own["ActionId"]] = {**action, **own}
    return {"AccountId": call.params["AccountId"], "BudgetName": own["BudgetName"], "ActionId": own["ActionId"]}


def _describe(call: Call) -> dict[str, Any]:
    return {"Actions": list(_find_actions(call).values())}


def _update(call: Call) -> dict[str, Any]:
    action = _find_action(call)
    new = {**action, **{key: call.params[key] for key in _NEEDED if key in call.params}}
    _check(new)
    _find_actions(call)[action["ActionId"]] = new
    return {**_name(call), "OldAction": action, "NewAction": new}


def _delete(call: Call) -> dict[str, Any]:
    return {**_name(call), "Action": _find_actions(call).pop(_find_action(call)["ActionId"])}


def _check(action: dict[str, Any]) -> None:
    """Refuse what AWS would: a definition of another type, too many instances, a role that does not trust Budgets."""
    kind, definition = action["ActionType"], action["Definition"]
    if list(definition) != [_DEFINITIONS.get(kind)]:
        raise Refusal("InvalidParameterException", f"the definition is not one of {kind}, or not known here")
    wanted = definition[_DEFINITIONS[kind]]
    if kind == STOP and not 1 <= len(wanted.get("InstanceIds", ())) <= INSTANCES:
        raise Refusal("InvalidParameterException", f"InstanceIds must be 1 to {INSTANCES}")
    if kind == APPLY:
        _check_policy(wanted)
    if not any(True for _ in find_trust(action["ExecutionRoleArn"], SERVICE)):
        raise Refusal("InvalidParameterException", "AWS Budgets may not assume the execution role")


def _check_policy(wanted: dict[str, Any]) -> None:
    """Refuse a policy that is not there, one that is for nobody, and one for a role that is not there."""
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    if wanted["PolicyArn"] not in iam.managed_policies:
        raise Refusal("InvalidParameterException", f"the policy {wanted['PolicyArn']} doesn't exist")
    if set(wanted) - {"PolicyArn", "Roles"} or not wanted.get("Roles"):
        raise Refusal("InvalidParameterException", "a policy is for roles, and here for these alone")
    if missing := set(wanted["Roles"]) - {role.name for role in iam.roles.values()}:
        raise Refusal("InvalidParameterException", f"the role {', '.join(sorted(missing))} doesn't exist")


def _find_key(call: Call) -> tuple[str, str]:
    return str(call.params["AccountId"]), str(call.params["BudgetName"])


def _find_actions(call: Call) -> Actions:
    account, budget = _find_key(call)
    if budget not in budgets_backends[account]["aws"].budgets[account]:
        raise Refusal("NotFoundException", f"the budget {budget} doesn't exist")
    return _KEPT.setdefault((account, budget), {})


def _find_action(call: Call) -> dict[str, Any]:
    found = _find_actions(call).get(str(call.params["ActionId"]))
    if found is None:
        raise Refusal("NotFoundException", "the action doesn't exist")
    return found


def _name(call: Call) -> dict[str, str]:
    account, budget = _find_key(call)
    return {"AccountId": account, "BudgetName": budget}


_ANSWERS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "CreateBudgetAction": _create,
    "DescribeBudgetActionsForBudget": _describe,
    "UpdateBudgetAction": _update,
    "DeleteBudgetAction": _delete,
}
