"""What a host's reverse proxy does about its certificates. Python's own library only, for hosts have no other."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

CADDYFILE = "/etc/caddy/Caddyfile"
TLS = "/etc/dstk/tls"
ACCESS_LOG = "/var/log/caddy/access.log"
STORAGE = "/var/lib/caddy/.local/share/caddy/certificates"
# from here on Caddy asks for certificates of bare addresses, by the profile `shortlived`
ADDRESSES_FROM = (2, 10, 1)

_PROBLEM = re.compile(r"urn:ietf:params:acme:error:(\w+)[^-]* - (.*?)(?: \((?:order|ca)=|$)")

PRIVATE, TRYING, ACME = "private", "trying", "acme"


def run(*arguments: str, timeout: float = 60) -> tuple[int, str]:
    """Run a command and answer its status and what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the arguments
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {timeout:.0f} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, (done.stdout + done.stderr).strip()


def parse_version(text: str) -> tuple[int, ...]:
    """Answer the numbers of what `caddy version` says, such as `v2.10.2 h1:…` or `2.6.2`; none where there are none."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
    return tuple(map(int, found.groups())) if found else ()


def find_request(server: str, names: Iterable[str], version: str) -> str:
    """Answer what tells one request to an ACME server from another, so that a failed one is not repeated at once."""
    return hashlib.sha256(json.dumps([server, sorted(names), version]).encode()).hexdigest()[:16]


def find_storage(server: str) -> str:
    """Answer the folder below `STORAGE` in which Caddy keeps what an ACME server signed (certmagic's `issuerKey`)."""
    parts = urlsplit(server)
    path = parts.path.replace("/", "-").strip("-")
    key = f"{parts.netloc}-{path}" if path else parts.netloc
    return re.sub(r"[^\w@.-]", "", key.lower().replace(":", "-"))


def find_plan(
    known: Mapping[str, Any],
    *,
    tls: str,
    names: Sequence[str],
    server: str,
    bare: bool,
    pause: float,
    now: float,
) -> tuple[str, str]:
    """Answer which certificates a host shall serve, and why the private ones.

    Args:
        known: what dstk_proxy_info answered.
        tls: auto, or private.
        names: those for which the ACME server is to be asked.
        server: its directory.
        bare: whether the names are addresses.
        pause: seconds from a request that failed to the next one.
        now: seconds since 1970.

    Returns:
        ``private``, ``acme``, or ``trying`` where the ACME server is to be asked; and the reason.
    """
    version = known["caddy"]["version"]
    if tls != "auto":
        return PRIVATE, "tls is private"
    if not names:
        return PRIVATE, "no notebook has a name here yet"
    if bare and parse_version(version) < ADDRESSES_FROM:
        least = ".".join(map(str, ADDRESSES_FROM))
        return PRIVATE, f"Caddy {version} cannot ask for the certificate of a bare address, which {least} can"
    if all(known["acme"].get(name, 0) > now for name in names):
        return ACME, ""
    mode = known["mode"]
    same = mode.get("asked") == find_request(server, names, version)
    if same and mode.get("mode") == PRIVATE and now - float(mode.get("tried", 0)) < pause:
        return PRIVATE, str(mode.get("reason", ""))
    return TRYING, ""


def parse_errors(journal: str) -> list[str]:
    """Answer what Caddy said of requests that failed, from the lines of its journal, oldest first."""
    errors = []
    for line in journal.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        told = isinstance(entry, dict) and entry.get("level") == "error" and entry.get("error")
        if told and re.search("tls|acme", str(entry.get("logger", ""))):
            errors.append(str(told))
    return errors


def find_reason(errors: Sequence[str]) -> str:
    """Answer the last error in the words of the ACME server, where there is one of its, else in Caddy's."""
    if not errors:
        return "the ACME server gave no certificate in time"
    problems = [found for error in errors if (found := _PROBLEM.search(error))]
    text = f"{problems[-1].group(1)}: {problems[-1].group(2)}" if problems else errors[-1]
    return f"the ACME server gave no certificate: {' '.join(text.split())[:300]}"


def is_hopeless(journal: str) -> bool:
    """Answer whether Caddy's first try has failed for good. A name may only be too new: then another try may help."""
    return "will retry" in journal and not re.search("acme:error:dns|NXDOMAIN|SERVFAIL", journal)
