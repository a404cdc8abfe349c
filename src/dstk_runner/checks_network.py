"""Checks of the network between this machine and AWS.

What is tried are AWS's own servers, so that nobody else is bothered: CodeCommit answers SSH on port 22, the EC2
endpoint answers HTTPS, and Session Manager's message channel takes WebSockets. `DSTK_PROBE_SSH` (host:port),
`DSTK_PROBE_HTTPS` and `DSTK_PROBE_WEBSOCKET` (URLs) name others; an empty value leaves that probe out, which is right
where what is deployed lies on no network.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from dstk_runner.config import Config
from dstk_runner.results import Check

__all__ = ["check_address", "check_https_out", "check_ssh_out", "check_websockets_out"]

_TIMEOUT = 6.0
"""Seconds; a firewall that drops packets never answers."""


def check_address(config: Config) -> list[Check]:
    """Ask for this machine's public address, which `allowed_cidrs: [auto]` stands for."""
    if "auto" not in config.allowed_cidrs:
        return []
    fix = "write your address yourself: allowed_cidrs: [203.0.113.7/32]"
    try:
        with urllib.request.urlopen(config.address_service, timeout=_TIMEOUT) as answer:  # noqa: S310 - the schema admits http(s) only
            address = answer.read(100).decode().strip()
        network = ipaddress.ip_network(address)
    except (OSError, ValueError, http.client.HTTPException) as error:
        message = f"{config.address_service} does not tell your public address: {_reason(error)}"
        return [Check(name="address", status="fail", message=message, fix=fix)]
    return [Check(name="address", status="ok", message=f"{network} will be let in")]


def check_ssh_out(config: Config) -> list[Check]:
    """See whether an SSH server outside greets us."""
    host, _, port = os.environ.get("DSTK_PROBE_SSH", f"git-codecommit.{config.region}.amazonaws.com:22").rpartition(":")
    if not port:
        return [_left_out("ssh out")]
    fix = "use another network (a phone's, say) or a VPN: this one lets no SSH out"
    try:
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT) as connection:
            greeting = connection.recv(4)
    except (OSError, ValueError) as error:
        return [Check(name="ssh out", status="fail", message=f"{host}:{port}: {_reason(error)}", fix=fix)]
    if greeting != b"SSH-":
        return [Check(name="ssh out", status="fail", message=f"{host}:{port} answers, but not as SSH", fix=fix)]
    return [Check(name="ssh out", status="ok", message=f"{host}:{port} greets")]


def check_https_out(config: Config) -> list[Check]:
    """See whether an HTTPS server outside answers with a certificate that is trusted here."""
    url = os.environ.get("DSTK_PROBE_HTTPS", f"https://ec2.{config.region}.amazonaws.com/ping")
    if not url:
        return [_left_out("https out")]
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - AWS's endpoint, or the user's own
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except (OSError, ValueError, http.client.HTTPException) as error:
        fix = "set HTTPS_PROXY where there is a proxy, AWS_CA_BUNDLE where it signs for others, or use another network"
        return [Check(name="https out", status="fail", message=f"{url}: {_reason(error)}", fix=fix)]
    return [Check(name="https out", status="ok", message=f"{url} answers {status}")]


def check_websockets_out(config: Config) -> list[Check]:
    """See whether the request that opens a WebSocket comes through. Kernels of a notebook talk through one.

    AWS refuses it without a token, with a status of its own; that it is answered at all shows that nothing on the way
    dropped it. Only 101 shows a proxy that lets the frames pass, too.
    """
    url = os.environ.get(
        "DSTK_PROBE_WEBSOCKET", f"https://ssmmessages.{config.region}.amazonaws.com/v1/data-channel/dstk"
    )
    if not url:
        return [_left_out("websockets out")]
    try:
        status = _ask_upgrade(url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        fix = "use another network: a proxy that blocks WebSockets leaves every notebook without its kernel"
        return [Check(name="websockets out", status="fail", message=f"{url}: {_reason(error)}", fix=fix)]
    return [Check(name="websockets out", status="ok", message=f"{urlsplit(url).hostname} answers {status}")]


def _ask_upgrade(url: str) -> int:
    parts = urlsplit(url)
    host, proxy = parts.hostname or "", urllib.request.getproxies().get(parts.scheme)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    through = urlsplit(proxy) if proxy and not urllib.request.proxy_bypass(host) else None
    peer, peer_port = (through.hostname or "", through.port) if through else (host, port)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(peer, peer_port, timeout=_TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(peer, peer_port, timeout=_TIMEOUT)
    if through:
        connection.set_tunnel(host, port)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    try:
        connection.request("GET", parts.path or "/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _left_out(name: str) -> Check:
    return Check(name=name, status="skipped", message="what is deployed lies on no network")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {_TIMEOUT:.0f} s"
    return str(getattr(reason, "strerror", None) or reason)
