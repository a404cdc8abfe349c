"""Who may call, and where: keys the sandbox knows, regions the account may use, searches of a bearable size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from dstk_runner.sandbox.ec2 import ENABLED, REGIONS
from dstk_runner.sandbox.signature import is_signed
from dstk_runner.sandbox.wire import Call, Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#query-filters
FILTER_VALUES = 200


class UnknownRegionError(Exception):
    """The region does not exist, so on AWS its endpoint has no name to be found by."""


def check_region(call: Call) -> None:
    """Refuse regions the account has not opted into; raise UnknownRegionError for those that do not exist."""
    if not call.region or call.region == "aws-global":
        return
    if call.region not in REGIONS:
        raise UnknownRegionError(call.region)
    if call.region not in ENABLED:
        raise _refuse_credentials(call)


def check_credentials(call: Call, environ: WSGIEnvironment, own: Mapping[str, str]) -> None:
    """Refuse callers whose key is unknown, or who do not know the secret that belongs to it.

    Args:
        call: the call.
        environ: the request it came with.
        own: secrets by access key, beside those that the sandbox's IAM and STS gave out.
    """
    if call.access_key_id is None:
        if call.protocol == "ec2":
            raise _refuse_credentials(call)
        raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
    secret = {**find_given_keys(), **own}.get(call.access_key_id)
    if secret is None:
        raise _refuse_credentials(call)
    # storage services sign parts of a body, and URLs: their signatures are taken as they are
    if call.protocol != "rest" and not is_signed(call, environ, access_key_id=call.access_key_id, secret=secret):
        if call.protocol == "ec2":
            raise _refuse_credentials(call)
        code = "InvalidSignatureException" if call.protocol == "json" else "SignatureDoesNotMatch"
        message = "The request signature we calculated does not match the signature you provided."
        raise Refusal(code, message, status=403)


def find_given_keys() -> dict[str, str]:
    """Return the access keys, with their secrets, that IAM users and assumed roles of the sandbox have."""
    keys = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].access_keys
    return {key: value.secret_access_key for key, value in keys.items()}


def check_filters(call: Call) -> None:
    """Refuse a search with more filter values than EC2 takes."""
    values = [key for key in call.params if key.startswith("Filter.") and ".Value." in key]
    if len(values) > FILTER_VALUES:
        message = f"The maximum number of filter values specified on a single call is {FILTER_VALUES}"
        raise Refusal("FilterLimitExceeded", message)


def check_dry_run(call: Call) -> None:
    """Refuse a dry run as AWS does where the caller may. Moto carries out some of them, CreateVpc among them."""
    if call.is_true("DryRun"):
        raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)


def check_attachments(call: Call) -> None:
    """Refuse to delete a policy that is attached to a role. Moto deletes it, and leaves it in force there."""
    if (call.service, call.action) == ("iam", "DeletePolicy"):
        roles = iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()
        if any(call.params.get("PolicyArn") in role.managed_policies for role in roles):
            raise Refusal("DeleteConflict", "Cannot delete a policy attached to entities.", status=409)


def _refuse_credentials(call: Call) -> Refusal:
    if call.protocol == "ec2":
        message = "AWS was not able to validate the provided access credentials"
        return Refusal("AuthFailure", message, status=401)
    message = "The security token included in the request is invalid."
    if call.protocol == "json":
        return Refusal("UnrecognizedClientException", message)
    return Refusal("InvalidClientTokenId", message, status=403)
