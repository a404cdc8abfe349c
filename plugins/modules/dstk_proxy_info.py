#!/usr/bin/python
"""Module: what the role reverse_proxy needs to know of a machine, in one round trip."""

from __future__ import annotations

import json
import platform
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_proxy import CADDYFILE, STORAGE, TLS, find_storage, run

DOCUMENTATION = """
module: dstk_proxy_info
short_description: What the role reverse_proxy needs to know of a machine
version_added: "0.1.0"
author: dstk
description:
  - Changes nothing. No secret is in its answer.
options:
  names:
    description: For which names certificates of the ACME server are looked for.
    type: list
    elements: str
    default: []
  server:
    description: The ACME server's directory.
    type: str
    default: ""
"""

EXAMPLES = """
- name: The proxy is known
  dstk_proxy_info:
    names: [ada.class.example.edu]
    server: https://acme-v02.api.letsencrypt.org/directory
"""

RETURN = """
system:
  description: The distribution's C(id), and the C(architecture).
  type: dict
  returned: always
caddy:
  description: Whether Caddy is C(unpacked), C(running) and C(enabled), and its C(version).
  type: dict
  returned: always
caddyfile:
  description: The text of its configuration.
  type: str
  returned: always
certificate:
  description: The private certificate, in PEM.
  type: str
  returned: always
authority:
  description: The authority that signed it, in PEM.
  type: str
  returned: always
mode:
  description: What the last run came to, with C(mode), C(reason), C(asked) and C(tried).
  type: dict
  returned: always
acme:
  description: Until when each name has a certificate of the ACME server, in seconds since 1970.
  type: dict
  returned: always
"""

UNIT = Path("/lib/systemd/system/caddy.service")


def read(path: Path) -> str:
    """Answer a file's text, empty where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def find_ends(names: Iterable[str], server: str) -> dict[str, float]:
    """Answer until when each name has a certificate of the ACME server."""
    ends = {}
    for name in names:
        path = Path(STORAGE, find_storage(server), name, f"{name}.crt")
        code, said = run("openssl", "x509", "-noout", "-enddate", "-in", str(path)) if path.is_file() else (1, "")
        if code == 0:
            ends[name] = float(ssl.cert_time_to_seconds(said.partition("=")[2]))
    return ends


def find_mode(text: str) -> dict[str, Any]:
    """Answer what the file of the mode holds; nothing where it holds something else."""
    try:
        mode = json.loads(text or "{}")
    except ValueError:
        return {}
    return mode if isinstance(mode, dict) else {}


def find_all(names: list[str], server: str) -> dict[str, Any]:
    """Answer the module's result."""
    release = dict(line.partition("=")[::2] for line in read(Path("/etc/os-release")).splitlines())
    unpacked = UNIT.exists()
    return {
        "system": {"id": release.get("ID", "").strip("\"'"), "architecture": platform.machine()},
        "caddy": {
            "unpacked": unpacked,
            "version": run("caddy", "version")[1].split(" ")[0] if unpacked else "",
            "running": unpacked and run("systemctl", "is-active", "caddy")[0] == 0,
            "enabled": Path("/etc/systemd/system/multi-user.target.wants/caddy.service").exists(),
        },
        "caddyfile": read(Path(CADDYFILE)),
        "certificate": read(Path(TLS, "cert.pem")),
        "authority": read(Path(TLS, "ca.pem")),
        "mode": find_mode(read(Path(TLS, "mode"))),
        "acme": find_ends(names, server),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "server": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **find_all(module.params["names"], module.params["server"]))


if __name__ == "__main__":
    main()
