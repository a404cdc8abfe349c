"""Signatures of calls: made anew with the secret that belongs to the key, and compared (AWS Signature Version 4)."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dstk_runner.sandbox.wire import Call, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PARTS = re.compile(r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]+)")


def is_signed(call: Call, environ: WSGIEnvironment, *, access_key_id: str, secret: str) -> bool:
    """Say whether the call carries the signature that the holder of the secret would have made."""
    found = _PARTS.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None:
        return False
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"http://{environ['HTTP_HOST']}{environ.get('PATH_INFO', '/')}",
        headers={name: _find_header(environ, name) for name in found["headers"].split(";")},
        data=read_body(environ),
    )
    request.context["timestamp"] = environ.get("HTTP_X_AMZ_DATE", "")
    signer = SigV4Auth(Credentials(access_key_id, secret), call.service, call.region)
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return hmac.compare_digest(str(wanted), found["signature"])


def _find_header(environ: WSGIEnvironment, name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", ""))
