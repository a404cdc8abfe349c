"""What mends a failure whose own words do not say it."""

from __future__ import annotations

import re

from dstk_runner.errors import CredentialsError, DstkError, RunError

__all__ = ["explain", "find_remedy", "parse_message"]

_CREDENTIALS = "aws configure (or `aws sso login`), then `dstk doctor`"

# AWS's error codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"ExpiredToken|RequestExpired|token.*expired|SSO.*(expired|login)", "renew your credentials: aws sso login"),
    (
        r"NoCredentials|Unable to locate credentials|AuthFailure|InvalidClientTokenId|SignatureDoesNotMatch"
        r"|UnrecognizedClient|PartialCredentials|ProfileNotFound|config profile",
        _CREDENTIALS,
    ),
    (r"OptInRequired|not subscribed", "enable the region or the service in the AWS console, or choose another region"),
    (
        r"UnauthorizedOperation|AccessDenied|not authorized to perform",
        "ask your administrator for the permission the message names; `dstk doctor` lists all that dstk needs",
    ),
    (
        r"VcpuLimitExceeded|vCPU limit|L-1216C47A",
        "choose a smaller instance_type, or ask for more in Service Quotas: ec2, L-1216C47A",
    ),
    (r"VpcLimitExceeded", "name an existing VPC with vpc_id, or delete one that is not needed"),
    (r"AddressLimitExceeded", "release an Elastic IP address, or ask for more in Service Quotas: ec2, L-0263D0A3"),
    (r"InsufficientInstanceCapacity", "AWS has no such machine free now: try again later, or another instance_type"),
    (r"RequestLimitExceeded|Throttling", "AWS asks to slow down: run the same command again in a minute"),
    (r"Could not connect to the endpoint|EndpointConnection|Name or service not known", "check the network and region"),
    (r"No space left on device", "choose a larger volume_size, or remove what is not needed, then run it again"),
    (r"Permission denied \(publickey", "ssh_key must be the key the instance was made with: name it in dstk.yml"),
    (r"Host key verification failed|REMOTE HOST IDENT", "if the host was made anew, remove its line from known_hosts"),
    (r"port is already allocated|[Aa]ddress already in use", "choose another notebook_port in dstk.yml"),
    (r"manifest unknown|not found: manifest|pull access denied", "correct notebook_image in dstk.yml"),
    (r"[Cc]onnection timed out|Failed to connect to the host", "`dstk doctor` tells whether SSH gets out from here"),
)  # fmt: skip


def find_remedy(text: str) -> str:
    """Return what mends a failure, by AWS's error code or a well-known text; empty where nothing is known."""
    return next((fix for pattern, fix in _REMEDIES if re.search(pattern, text)), "")


def parse_message(text: str) -> tuple[str, str]:
    """Take apart a message whose last line is `Fix: ...`, and look for a remedy where there is none."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "it failed without a word", ""
    at = next((number for number, line in enumerate(lines) if line.startswith("Fix: ")), None)
    if at is not None:
        return " ".join(lines[:at]), " ".join(lines[at:]).removeprefix("Fix: ")
    return _shorten(" ".join(lines)), find_remedy(text)


def explain(error: Exception) -> DstkError:
    """Turn an exception of boto3 into one of dstk's, with its remedy."""
    if isinstance(error, DstkError):
        return error
    text = f"{type(error).__name__}: {error}"
    fix = find_remedy(text)
    kind = CredentialsError if fix.startswith(("renew", _CREDENTIALS)) else RunError
    return kind(_shorten(str(error)), fix)


def _shorten(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
