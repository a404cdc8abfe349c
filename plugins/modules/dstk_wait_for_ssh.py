#!/usr/bin/python
"""Module: SSH answers on all hosts."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: dstk_wait_for_ssh
short_description: SSH answers on all hosts
version_added: "0.1.0"
author: dstk
description:
  - Asks once a second, on all hosts at once, until an SSH server greets on each.
  - A host that does not answer in time is answered in C(unreachable); the module does not fail for it, for the others
    can be gone on with.
  - M(ansible.builtin.wait_for) knows one host, and gives up where a connection is reset, which is what a machine does
    whose SSH server is about to start.
  - In check mode nothing is asked, for nothing was started.
options:
  hosts:
    description: The addresses, by a name for each.
    type: dict
    required: true
  port:
    description: The port.
    type: int
    default: 22
  timeout:
    description: Seconds to wait for all of them.
    type: int
    default: 300
"""

EXAMPLES = """
- name: SSH answers
  dstk_wait_for_ssh:
    hosts:
      i-0123456789abcdef0: 203.0.113.7
"""

RETURN = """
elapsed:
  description: Seconds it took.
  type: float
  returned: always
unreachable:
  description: C(message) and C(fix) for each host that does not answer, by name.
  type: dict
  returned: always
"""

ATTEMPT_SECONDS = 3
AT_ONCE = 64


def find_obstacle(host: str, port: int) -> str:
    """Try once, and answer why SSH does not answer, or nothing where it does."""
    try:
        with socket.create_connection((host, port), timeout=ATTEMPT_SECONDS) as connection:
            greeting = connection.recv(255)
    except OSError as error:
        return str(error)
    return "" if greeting.startswith(b"SSH-") else f"it greets with {greeting[:40]!r}"


def find_obstacles(hosts: dict, port: int, timeout: float) -> dict:
    """Ask until all answer or the time is up, and answer what stands in the way of the rest, by name."""
    deadline = time.monotonic() + timeout
    waiting = dict(hosts)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting:
            reasons = dict(
                zip(waiting, pool.map(lambda host: find_obstacle(host, port), waiting.values()), strict=True)
            )
            waiting = {name: waiting[name] for name, reason in reasons.items() if reason}
            if not waiting or time.monotonic() >= deadline:
                return {name: reasons[name] for name in waiting}
            time.sleep(1)
    return {}


def explain(host: str, port: int, timeout: float, reason: str) -> dict:
    """Say of a host that it does not answer, and what mends it."""
    return {
        "message": f"SSH does not answer at {host}, port {port}, after {timeout:.0f} s: {reason}",
        "fix": "where your address has changed, or this network lets no SSH out, set `allowed_cidrs` or change the "
        "network; then run the same command again",
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "dict", "required": True},
            "port": {"type": "int", "default": 22},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    hosts, port, timeout = (module.params[name] for name in ("hosts", "port", "timeout"))
    if module.check_mode:
        module.exit_json(changed=False, elapsed=0.0, unreachable={})
    started = time.monotonic()
    unreachable = {
        name: explain(hosts[name], port, timeout, reason)
        for name, reason in find_obstacles(hosts, port, timeout).items()
    }
    module.exit_json(changed=False, elapsed=round(time.monotonic() - started, 1), unreachable=unreachable)


if __name__ == "__main__":
    main()
