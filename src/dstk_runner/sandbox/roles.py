"""Services of AWS act as roles of the account: clients that are such a role, and what a role's trust says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from dstk_runner.sandbox.state import SandboxState

PATIENCE, AGAIN = 5.0, 0.25
"""Seconds until a call that comes too early is given up, and between two tries."""


def make_role_client(state: SandboxState, role: str, region: str, service: str = "ec2") -> Any:
    """Return a client of a service that is the role, under what IAM allows it.

    Raises:
        ClientError: the role cannot be assumed.
    """
    place: dict[str, Any] = {"region_name": region, "endpoint_url": state.endpoint}
    place["config"] = Config(proxies={}, retries={"total_max_attempts": 1})
    sts: Any = boto3.client(
        "sts", aws_access_key_id=state.access_key_id, aws_secret_access_key=state.secret_access_key, **place
    )
    given = sts.assume_role(RoleArn=role, RoleSessionName="sandbox")["Credentials"]
    make: Any = boto3.client
    return make(
        service,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        **place,
    )


def find_trust(role: str, service: str) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """Yield the conditions of each statement by which a role trusts a service; nothing where there is no such role."""
    found = {item.arn: item for item in iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()}.get(role)
    statements = json.loads(str(found.assume_role_policy_document))["Statement"] if found else ()
    for statement in statements:
        if statement["Principal"].get("Service") == service:
            yield statement.get("Condition", {})


def call_patiently(call: Callable[..., object], request: Mapping[str, Any]) -> None:
    """Call, and again where an instance is still on its way to a state: AWS's own services try again, too."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            call(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] != "IncorrectInstanceState" or time.monotonic() >= deadline:
                raise
            time.sleep(AGAIN)
        else:
            return
