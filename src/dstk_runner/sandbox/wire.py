"""A call to AWS as it comes over the wire, and AWS's refusals as they go back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from dstk_runner.sandbox.operations import find_operation

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Protocol = Literal["ec2", "query", "json", "rest"]

EC2_VERSION = "2016-11-15"


@dataclass(frozen=True)
class Call:
    """One call: to which service and region, by whose key, which action, with which parameters."""

    service: str
    region: str
    action: str
    protocol: Protocol
    access_key_id: str | None
    params: Mapping[str, Any] = field(default_factory=dict)

    def find_list(self, name: str) -> list[str]:
        """Return the members `<name>.1`, `<name>.2` ... of a list, in their order."""
        numbered = [
            (int(key[len(name) + 1 :]), str(value))
            for key, value in self.params.items()
            if key.startswith(f"{name}.") and key[len(name) + 1 :].isdigit()
        ]
        return [value for _, value in sorted(numbered)]

    def has(self, name: str) -> bool:
        """Say whether a parameter, or a list or structure of that name, was given."""
        return name in self.params or any(key.startswith(f"{name}.") for key in self.params)

    def is_true(self, name: str) -> bool:
        """Say whether a boolean parameter was given as true."""
        return str(self.params.get(name, "")).lower() == "true"


#: The call that is being worked on, for those parts behind moto's parsing that need what moto drops.
current_call: ContextVar[Call] = ContextVar("current_call")


class Refusal(Exception):  # noqa: N818 - AWS refuses; the server did nothing wrong
    """AWS's answer that it will not do it: `code` and `status` are what clients decide upon."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        """Take AWS's error code, its message, and the HTTP status it comes with."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def parse_call(environ: WSGIEnvironment) -> Call:
    """Read a call from the request."""
    body = read_body(environ)
    access_key_id, region, service = _parse_scope(environ)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        prefix, _, action = target.rpartition(".")
        return Call(service or prefix, region, action, "json", access_key_id, _parse_json(body))
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    text = body.decode("utf-8", "replace") if form else environ.get("QUERY_STRING", "")
    params = dict(parse_qsl(text, keep_blank_values=True))
    if action := params.get("Action", ""):
        is_ec2 = service == "ec2" or (not service and params.get("Version") == EC2_VERSION)
        return Call("ec2" if is_ec2 else service, region, action, "ec2" if is_ec2 else "query", access_key_id, params)
    asked = environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
    return Call(service, region, find_operation(service, *asked), "rest", access_key_id)


def read_body(environ: WSGIEnvironment) -> bytes:
    """Return the request's body, and leave it to be read again."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return bytes(body)


def _parse_scope(environ: WSGIEnvironment) -> tuple[str | None, str, str]:
    """Return key, region and service from the credential scope of the signature (AWS Signature Version 4)."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    _, found, rest = authorization.partition("Credential=")
    if not found:
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        rest = query.get("X-Amz-Credential", "")
    parts = rest.split(",")[0].split()[0].split("/") if rest else []
    if len(parts) != 5:
        return None, "", ""
    access_key_id, _date, region, service, _terminator = parts
    return access_key_id, region, service.lower()


def _parse_json(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def refusal_response(call: Call, refusal: Refusal) -> Response:
    """Return a refusal in the form that the clients of the call's service read."""
    request_id = str(uuid.uuid4())
    code, message = refusal.code, refusal.message
    if call.protocol == "json" or call.service in ("dlm", "scheduler"):
        body = json.dumps({"__type": code, "message": message})
        headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": code}
        return Response(body, refusal.status, headers, content_type="application/x-amz-json-1.1")
    code, message = escape(code), escape(message)
    if call.protocol == "ec2":
        body = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    elif call.service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
    else:
        side = "Sender" if refusal.status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{side}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return Response(text, refusal.status, {"x-amzn-RequestId": request_id}, content_type="text/xml;charset=UTF-8")
