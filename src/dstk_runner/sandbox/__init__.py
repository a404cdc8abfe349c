"""AWS and EC2 hosts on this machine: the same playbooks, no account."""

from __future__ import annotations

from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.rehearsal import (
    clear_faults,
    ensure_delay,
    ensure_quota,
    find_calls,
    find_notifications,
    find_permissions,
    inject,
    interrupt_spot,
    return_capacity,
    spend,
    turn_clock,
)
from dstk_runner.sandbox.running import UNSET, down, environment, status, up
from dstk_runner.sandbox.state import SandboxState

__all__ = [
    "UNSET",
    "SandboxError",
    "SandboxState",
    "clear_faults",
    "down",
    "ensure_delay",
    "ensure_quota",
    "environment",
    "find_calls",
    "find_notifications",
    "find_permissions",
    "inject",
    "interrupt_spot",
    "return_capacity",
    "spend",
    "status",
    "turn_clock",
    "up",
]
