"""What the account has for a deployment (`look DEPLOYMENT`), as JSON; or give a role leave to do all (`open ROLE`)."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import boto3

what, name = sys.argv[1:]
# set but empty, boto3 takes it for a file
os.environ.pop("AWS_CA_BUNDLE", None)
iam, scheduler, budgets = (boto3.client(service) for service in ("iam", "scheduler", "budgets"))


def look_at_schedules() -> dict[str, Any]:
    """What is scheduled, by its kind."""
    group = {"GroupName": f"dstk-{name}"}
    names = [row["Name"] for row in scheduler.list_schedules()["Schedules"] if row["GroupName"] == group["GroupName"]]
    plans = {row.split("-")[-2]: scheduler.get_schedule(Name=row, **group) for row in names}
    return {"kinds": sorted(plans), "expressions": {kind: plan["ScheduleExpression"] for kind, plan in plans.items()}}


def look_at_roles() -> dict[str, Any]:
    """The roles, and what the scheduler's may do."""
    found = [role["RoleName"] for role in iam.list_roles(PathPrefix="/dstk/")["Roles"]]
    if not found:
        return {"roles": []}
    policy = iam.get_role_policy(RoleName=f"{name}-us-west-2-schedule", PolicyName="stop-and-start")["PolicyDocument"]
    [statement] = policy["Statement"]
    return {"roles": sorted(found), "resource": statement["Resource"], "condition": statement.get("Condition")}


def look_at_the_budget() -> dict[str, Any]:
    """The budget, and of which parts of it somebody is told."""
    place = {"AccountId": boto3.client("sts").get_caller_identity()["Account"], "BudgetName": f"dstk-{name}-us-west-2"}
    try:
        found = budgets.describe_budget(**place)["Budget"]
    except budgets.exceptions.NotFoundException:
        return {"budget": None}
    told = budgets.describe_notifications_for_budget(**place)["Notifications"]
    return {"budget": float(found["BudgetLimit"]["Amount"]), "thresholds": sorted(row["Threshold"] for row in told)}


if what == "open":
    wide = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam.put_role_policy(RoleName=name, PolicyName="stop-and-start", PolicyDocument=json.dumps(wide))
else:
    sys.stdout.write(json.dumps({**look_at_schedules(), **look_at_roles(), **look_at_the_budget()}))
