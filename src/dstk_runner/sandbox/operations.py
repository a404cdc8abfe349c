"""The operations of services that name none in a call, and the permission that AWS asks for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from urllib.parse import parse_qsl

import botocore.session

#: Services whose calls are told apart by method and path.
_SERVICES = frozenset({"dlm", "route53", "s3", "scheduler"})

#: Where the permission is not named as the operation:
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
_PERMISSIONS = {
    "budgets:CreateBudget": ("budgets:ModifyBudget",),
    "budgets:DeleteBudget": ("budgets:ModifyBudget",),
    "budgets:DescribeBudget": ("budgets:ViewBudget",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:ListObjects": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
}


def find_operation(service: str, method: str, path: str, query: str) -> str:
    """Return the operation that a method, a path and a query stand for; the first two as they are where none does."""
    asked = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    for known_method, pattern, needed, operation in _find_forms(service) if service in _SERVICES else ():
        if known_method == method and asked.issuperset(needed) and pattern.fullmatch(path):
            return operation
    return f"{method} {path}"


def find_permissions(service: str, action: str) -> tuple[str, ...]:
    """Return what IAM must allow for an action of a service, as a policy names it."""
    name = f"{service}:{action}"
    return _PERMISSIONS.get(name, (name,))


@cache
def _find_forms(service: str) -> list[tuple[str, re.Pattern[str], Collection[str], str]]:
    """Return method, path, names in the query and name of each operation, those that ask for most first."""
    return sorted(_read_forms(service), key=lambda form: (-len(form[2]), len(form[1].pattern)))


def _read_forms(service: str) -> Iterator[tuple[str, re.Pattern[str], frozenset[str], str]]:
    model = botocore.session.get_session().get_service_model(service)
    for operation in model.operation_names:
        if model.operation_model(operation).deprecated:  # a newer one has the same form
            continue
        form = model.operation_model(operation).http
        path, _, query = form["requestUri"].partition("?")
        parts = re.split(r"(\{\w+\+?\})", path.rstrip("/"))
        pattern = "".join(
            (".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part) for part in parts
        )
        asked = frozenset(name for name, _ in parse_qsl(query, keep_blank_values=True))
        yield form["method"], re.compile(f"{pattern}/?"), asked, operation
