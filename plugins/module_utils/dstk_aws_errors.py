"""What failed, said for people, with what they can do about it: one table for roles, modules and library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ERROR = re.compile(
    r"An error occurred \((?P<code>[\w.]+)\) when calling the (?P<call>\w+) operation[^:]*: (?P<text>.*)", re.S
)
_BLOB = re.compile(r"\s*Encoded authorization failure message:.*", re.S)

_CREDENTIALS = (
    "ask `aws sts get-caller-identity`; if it fails too, renew the credentials (`aws configure`, `aws sso login`); "
    "if it answers, the region is not enabled for the account: enable it, or choose another with `region`"
)
_EXPIRED = (
    "get new credentials (`aws sso login`, or new AWS_* variables) and run the same command again; nothing is lost"
)
_TYPE = "choose another `instance_type`, or a `region` that offers it"
_PERMISSION = (
    "let the account's administrator give you the permission of this call; `dstk iam-policy` prints all that dstk needs"
)
_SLOWLY = "wait a minute and run the same command again; nothing is made twice"
_AGAIN = "run the same command again; nothing is made twice. If it stays, choose another `deployment`"
_QUOTA = "free some, or ask for more: AWS console, Service Quotas, {service}, {name} ({code})"

REMEDIES: dict[str, str] = {
    "AccessDenied": _PERMISSION,
    "AccessDeniedException": _PERMISSION,
    "AddressLimitExceeded": "release an Elastic IP address, or ask for more: AWS console, Service Quotas, Amazon EC2, "
    "EC2-VPC Elastic IPs (L-0263D0A3)",
    "AuthFailure": _CREDENTIALS,
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": "let the account's administrator run this once: "
    "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    "Blocked": "AWS has blocked the account: open a case with AWS Support",
    "DeleteConflict": "detach the policies that are not dstk's from the role (IAM console, Roles), and dstk's from "
    "all other roles, and run the same command again",
    "DependencyViolation": "remove what dstk did not make and what still uses it (network interfaces, load balancers), "
    "and run the same command again",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IncorrectInstanceState": "wait until the instance has come to rest, and run the same command again",
    "IncorrectSpotRequestState": "only AWS starts a spot instance that it took back: `dstk up` puts a new host in its "
    "place, and the homes are safe",
    "InsufficientInstanceCapacity": "AWS has no machine of this type at the moment: try again later, or choose another "
    "`instance_type` or `region`",
    "InsufficientFreeAddressesInSubnet": "choose a VPC with free addresses, or leave `vpc_id` out",
    "InternetGatewayLimitExceeded": _QUOTA.format(
        service="Amazon VPC", name="Internet gateways per Region", code="L-A4707A72"
    )
    + "; or name an existing network with `vpc_id`",
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidGroup.Duplicate": _AGAIN,
    "InvalidInstanceType": _TYPE,
    "InvalidKey.Format": "AWS takes ed25519 and RSA keys only: name such a key with `ssh_key`",
    "InvalidKeyPair.Duplicate": _AGAIN,
    "InvalidKeyPair.NotFound": "run the same command again: the key pair was removed in the meantime",
    "InvalidSubnet.Conflict": _AGAIN,
    "InvalidVpc.Range": "choose a private network of /16 to /24 for `vpc_cidr`, such as 10.77.0.0/16",
    "InvalidVpcID.Malformed": "write `vpc_id` as the console shows it: vpc- and hexadecimal digits",
    "InvalidVpcID.NotFound": "correct `vpc_id` or `region`, or leave `vpc_id` out",
    "MaxIOPSLimitExceeded": "choose a smaller `volume_size`",
    "MaxSpotInstanceCountExceeded": "choose a smaller `instance_type`, or ask for more: AWS console, Service Quotas, "
    "Amazon EC2, All Standard Spot Instance Requests (L-34B43A08); or write `spot: false`",
    "OperationNotPermitted": "lift the termination protection of the instance (EC2 console, Instance settings), "
    "and run the same command again",
    "OptInRequired": "enable the region for the account, or choose another with `region`",
    "PendingVerification": "AWS is still verifying the account: wait for its mail (up to 4 hours), and run again",
    "RequestExpired": _EXPIRED,
    "RequestLimitExceeded": _SLOWLY,
    "RulesPerSecurityGroupLimitExceeded": "name fewer networks in `allowed_cidrs`",
    "SignatureDoesNotMatch": "the secret key or this machine's clock is wrong: renew the credentials, check `date -u`",
    "Throttling": _SLOWLY,
    "ThrottlingException": _SLOWLY,
    "UnauthorizedOperation": _PERMISSION,
    "UnrecognizedClientException": _CREDENTIALS,
    "Unsupported": _TYPE,
    "VcpuLimitExceeded": "choose a smaller `instance_type`, or ask for more: AWS console, Service Quotas, Amazon EC2, "
    "Running On-Demand Standard instances (L-1216C47A)",
    "VolumeLimitExceeded": "delete volumes that nothing uses, or choose a smaller `volume_size`",
    "VpcLimitExceeded": _QUOTA.format(service="Amazon VPC", name="VPCs per Region", code="L-F678F1CE")
    + "; or name an existing network with `vpc_id`",
}
"""By AWS's error code; the codes are those of the EC2 API reference."""

_NO_CREDENTIALS = "run `aws configure`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NO_PROFILE = "correct AWS_PROFILE; `aws configure list-profiles` shows what there is"

WHO = frozenset({_CREDENTIALS, _EXPIRED, _NO_CREDENTIALS, _NO_PROFILE, REMEDIES["SignatureDoesNotMatch"]})
"""The remedies of failures that lie in who is asking."""

_TEXTS: tuple[tuple[str, str, str], ...] = (
    (
        r"Unable to locate credentials|NoCredentialsError|Partial credentials",
        "no AWS credentials were found",
        _NO_CREDENTIALS,
    ),
    (r"config profile \((?P<what>[^)]*)\) could not be found", "there is no AWS profile {what}", _NO_PROFILE),
    (r"[Tt]oken has expired|SSO session.*expired|Error loading SSO Token", "the AWS session has expired", _EXPIRED),
    (
        r"Could not connect to the endpoint URL: \"?(?P<what>[^\"\s]+)",
        "nothing answers at {what}",
        "check the spelling of `region` and the network",
    ),
    (
        r"Connection was closed before|Connection reset|Read timeout|Connect timeout|IncompleteRead|ProtocolError",
        "the connection to AWS broke, and whether the last call was carried out is not known",
        "run the same command again; nothing is made twice",
    ),
    (
        # what amazon.aws says of every refusal of this one call
        r"Failed to create security group",
        "AWS refused CreateSecurityGroup",
        "run the same command again; if it stays, the caller lacks the permission ec2:CreateSecurityGroup, or the "
        "region has all the security groups that its quota allows",
    ),
    (r"Provided region_name '(?P<what>[^']*)'", "there is no region {what}", "correct `region`"),
    (r"not authorized to perform", "", _PERMISSION),
    (r"No space left on device", "", "choose a larger `volume_size`, or remove what is not needed, then run it again"),
    (r"Permission denied \(publickey", "", "`ssh_key` must be the key the instance was made with: name it in dstk.yml"),
    (
        r"Host key verification failed|REMOTE HOST IDENT",
        "",
        "if the host was made anew, remove its line of known_hosts",
    ),
    (r"port is already allocated|[Aa]ddress already in use", "", "choose another `notebook_port`"),
    (r"manifest unknown|not found: manifest|pull access denied", "", "correct `notebook_image`"),
    (
        r"[Cc]onnection timed out|Failed to connect to the host",
        "",
        "`dstk doctor` tells whether SSH gets out from here",
    ),
)
"""What fails without a code of AWS: pattern, what to say (empty: what was said), remedy."""


@dataclass(frozen=True)
class Explanation:
    """What happened and what mends it; an empty `fix` where nobody knows."""

    message: str
    fix: str

    def __str__(self) -> str:
        """Return the message with its last line `Fix: ...`."""
        return f"{self.message}\nFix: {self.fix}" if self.fix else self.message


def explain(result: Mapping[str, Any]) -> Explanation:
    """Explain the result of a failed task, a loop's included."""
    failed = _failed_part(result)
    text = str(failed.get("msg") or failed.get("module_stderr") or failed.get("exception") or "the task failed")
    if "Fix: " in text:
        message, _, fix = text.rpartition("Fix: ")
        return Explanation(message.rstrip(), fix.strip())
    code, call, said = _parse(text, failed.get("error"))
    if code:
        said = _BLOB.sub("", said).strip()
        return Explanation(f"AWS refused {call or 'a call'}: {said} ({code})", _remedy(code, said))
    for pattern, message, fix in _TEXTS:
        if match := re.search(pattern, text):
            return Explanation(message.format(what=_what(match)) or text.strip(), fix)
    # what was put into words before still has its code in brackets
    named = next((code for code in re.findall(r"\(([A-Z][\w.]+)\)", text) if code in REMEDIES), "")
    return Explanation(text.strip(), REMEDIES.get(named, ""))


def _failed_part(result: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = [part for part in result.get("results") or [] if isinstance(part, Mapping) and part.get("failed")]
    return parts[0] if parts else result


def _parse(text: str, error: object) -> tuple[str, str, str]:
    if match := _ERROR.search(text):
        return match["code"], match["call"], match["text"]
    if isinstance(error, Mapping) and error.get("code"):
        return str(error["code"]), "", str(error.get("message") or text)
    return "", "", text


def _remedy(code: str, said: str) -> str:
    if code == "InvalidParameterValue" and "instance type" in said.lower():
        return _TYPE
    return REMEDIES.get(code, "")


def _what(match: re.Match[str]) -> str:
    return next((value for value in match.groupdict().values() if value), "AWS")
