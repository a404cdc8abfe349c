#!/usr/bin/python
"""Module: the reverse proxy of a host serves as it is told, and asks an ACME server where that may help."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_proxy import (
    ACCESS_LOG,
    ACME,
    CADDYFILE,
    PRIVATE,
    STORAGE,
    TLS,
    TRYING,
    find_reason,
    find_storage,
    is_hopeless,
    parse_errors,
    run,
)

DOCUMENTATION = """
module: dstk_proxy
short_description: The reverse proxy of a host serves as it is told
version_added: "0.1.0"
author: dstk
description:
  - Where certificates of an ACME server are asked for, the private one is served until they have come, and after that
    where they have not.
options:
  plan:
    description: Which certificates are served; C(trying) asks the ACME server first.
    type: str
    choices: [private, trying, acme]
    required: true
  reason:
    description: Why the private one is served.
    type: str
    default: ""
  caddyfiles:
    description: Caddy's configuration for each plan.
    type: dict
    required: true
  certificate:
    description: The private certificate, in PEM; empty leaves the one that is there.
    type: str
    default: ""
  authority:
    description: The authority that signed it, in PEM.
    type: str
    default: ""
  acme_root:
    description: The authority of the ACME server itself, in PEM; empty where every machine knows it.
    type: str
    default: ""
  names:
    description: For which names the ACME server is asked.
    type: list
    elements: str
    default: []
  server:
    description: The ACME server's directory.
    type: str
    default: ""
  asked:
    description: What tells this request from others.
    type: str
    default: ""
  timeout:
    description: Seconds within which the certificates have to come.
    type: float
    default: 90
"""

EXAMPLES = """
- name: The proxy serves
  dstk_proxy:
    plan: private
    caddyfiles: {private: "…", trying: "…", acme: "…"}
"""

RETURN = """
mode:
  description: Which certificates are served, C(acme) or C(private).
  type: str
  returned: success
reason:
  description: Why the private ones are.
  type: str
  returned: success
"""

PAUSE_SECONDS = 0.5
SOCKET = "admin unix/"


def ensure_file(path: Path, text: str, mode: int, group: str = "root") -> bool:
    """Put a file in its place whole, and answer whether that changed it."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    shutil.chown(temporary, "root", group)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
    return True


def ensure_log(path: Path) -> None:
    """Make the access log, which others read from the start, and Caddy's it must be."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
    path.touch(mode=0o640)
    # where the log is turned over, Caddy writes into the folder
    shutil.chown(path.parent, "caddy", "caddy")
    shutil.chown(path, "caddy", "caddy")


def serve(caddyfile: str) -> None:
    """Let Caddy serve by this configuration. Connections outlive it where Caddy can take it while it runs.

    Raises:
        OSError: Caddy does not take it.
    """
    path = Path(CADDYFILE)
    # what came with the package speaks to its administrator elsewhere
    knows = path.is_file() and SOCKET in path.read_text(encoding="utf-8", errors="replace")
    ensure_file(path, caddyfile, 0o644)
    running = run("systemctl", "is-active", "caddy")[0] == 0
    code, said = run("systemctl", "reload" if knows and running else "restart", "caddy")
    if code:
        lines = run("journalctl", "--unit", "caddy", "--output", "cat", "--lines", "30", "--no-pager")[1].splitlines()
        raise OSError(next((line for line in reversed(lines) if line.startswith("Error:")), said))


def find_lacking(names: list[str], server: str, since: float) -> list[str]:
    """Answer the names that have no certificate of the ACME server that is newer than a moment, or still good."""
    lacking = []
    for name in names:
        path = Path(STORAGE, find_storage(server), name, f"{name}.crt")
        # Caddy writes it anew where the old one has ended
        good = path.is_file() and (
            path.stat().st_mtime >= since
            or run("openssl", "x509", "-noout", "-checkend", "0", "-in", str(path))[0] == 0
        )
        if not good:
            lacking.append(name)
    return lacking


def wait_for_certificates(names: list[str], server: str, timeout: float, ask: Callable[[float], str]) -> str:
    """Wait until all names have a certificate; answer why they have not, empty where they have.

    Args:
        names: those.
        server: the ACME server.
        timeout: in seconds.
        ask: answers Caddy's journal since a moment.
    """
    began, deadline = time.time(), time.monotonic() + timeout
    while find_lacking(names, server, began):
        journal = ask(began)
        if time.monotonic() > deadline or is_hopeless(journal):
            return find_reason(parse_errors(journal))
        time.sleep(PAUSE_SECONDS)
    return ""


def read_journal(since: float) -> str:
    """Answer what Caddy said since a moment."""
    words = ("--unit", "caddy", "--output", "cat", "--no-pager", "--since", f"@{since:.0f}")
    return run("journalctl", *words)[1]


def ensure_served(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Bring all of it about, and answer the module's result."""
    folder, plan, reason = Path(TLS), parameters["plan"], parameters["reason"]
    ensure_log(Path(ACCESS_LOG))
    if parameters["certificate"]:
        ensure_file(folder / "cert.pem", parameters["certificate"], 0o644)
        ensure_file(folder / "ca.pem", parameters["authority"], 0o644)
    if parameters["acme_root"]:
        ensure_file(folder / "acme_root.pem", parameters["acme_root"], 0o644)
    run("systemctl", "enable", "caddy")
    tried = 0.0
    if plan == TRYING:
        tried = time.time()
        serve(parameters["caddyfiles"][TRYING])
        reason = wait_for_certificates(parameters["names"], parameters["server"], parameters["timeout"], read_journal)
        plan = PRIVATE if reason else ACME
    serve(parameters["caddyfiles"][plan])
    told = {"mode": plan, "reason": reason}
    mode = {**told, "asked": parameters["asked"], "tried": tried}
    before = folder / "mode"
    if not tried and before.is_file():
        # when it was asked for the last time is still true
        with_time = json.loads(before.read_text(encoding="utf-8") or "{}")
        mode |= {key: with_time[key] for key in ("asked", "tried") if key in with_time}
    ensure_file(before, json.dumps(mode) + "\n", 0o644)
    return {"changed": True, **told}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "plan": {"type": "str", "choices": [PRIVATE, TRYING, ACME], "required": True},
            "reason": {"type": "str", "default": ""},
            "caddyfiles": {"type": "dict", "required": True},
            "certificate": {"type": "str", "default": ""},
            "authority": {"type": "str", "default": ""},
            "acme_root": {"type": "str", "default": ""},
            "names": {"type": "list", "elements": "str", "default": []},
            "server": {"type": "str", "default": ""},
            "asked": {"type": "str", "default": ""},
            "timeout": {"type": "float", "default": 90},
        },
        supports_check_mode=False,
    )
    os.umask(0o022)
    try:
        module.exit_json(**ensure_served(module.params))
    except (OSError, ValueError, LookupError) as error:
        module.fail_json(
            msg=f"Caddy does not serve: {error}\nFix: end what holds port 443 there (`sudo ss -ltnp sport = :443` "
            "names it), and run the same command again."
        )


if __name__ == "__main__":
    main()
