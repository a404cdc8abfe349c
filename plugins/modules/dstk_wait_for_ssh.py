#!/usr/bin/python
"""Module: SSH answers at an address."""

from __future__ import annotations

import socket
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: dstk_wait_for_ssh
short_description: SSH answers at an address
version_added: "0.1.0"
author: dstk
description:
  - Asks once a second until an SSH server greets.
  - M(ansible.builtin.wait_for) gives up where a connection is reset, which is what a machine does whose SSH server is
    about to start.
  - In check mode nothing is asked, for nothing was started.
options:
  host:
    description: The address.
    type: str
    required: true
  port:
    description: The port.
    type: int
    default: 22
  timeout:
    description: Seconds to wait.
    type: int
    default: 300
"""

EXAMPLES = """
- name: SSH answers
  dstk_wait_for_ssh:
    host: 203.0.113.7
"""

RETURN = """
elapsed:
  description: Seconds it took.
  type: float
  returned: always
reason:
  description: Why the last attempt failed.
  type: str
  returned: on failure
"""

ATTEMPT_SECONDS = 3


def find_obstacle(host: str, port: int) -> str:
    """Try once, and answer why SSH does not answer, or nothing where it does."""
    try:
        with socket.create_connection((host, port), timeout=ATTEMPT_SECONDS) as connection:
            greeting = connection.recv(255)
    except OSError as error:
        return str(error)
    return "" if greeting.startswith(b"SSH-") else f"it greets with {greeting[:40]!r}"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 22},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    host, port, timeout = (module.params[name] for name in ("host", "port", "timeout"))
    if module.check_mode:
        module.exit_json(changed=False, elapsed=0.0)
    started = time.monotonic()
    while reason := find_obstacle(host, port):
        elapsed = time.monotonic() - started
        if elapsed >= timeout:
            module.fail_json(
                msg=f"SSH does not answer at {host}, port {port}, after {elapsed:.0f} s: {reason}\n"
                "Fix: where your address has changed, or this network lets no SSH out, set `allowed_cidrs` or change "
                "the network; then run the same command again",
                reason=reason,
                elapsed=elapsed,
            )
        time.sleep(1)
    module.exit_json(changed=False, elapsed=round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
