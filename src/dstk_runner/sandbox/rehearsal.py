"""Asking a running sandbox: rehearse a bad day, see what was called."""

from __future__ import annotations

import http.client
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.folder import find_folder
from dstk_runner.sandbox.state import SandboxState, find_state

TIMEOUT = 30.0


def inject(
    action: str,
    fault: str,
    *,
    count: int | None = 1,
    zone: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> None:
    """Let the next calls of an action meet a fault.

    Args:
        action: the action's name as in the AWS API, such as RunInstances; `*` is any.
        fault: throttle, no-capacity, reply-lost, expired, unauthorized or error.
        count: how many calls; None is all of them, until the faults are cleared.
        zone: only launches in this availability zone.
        directory: the sandbox's folder, in place of the default one.
    """
    ask("POST", "faults", {"action": action, "fault": fault, "count": count, "zone": zone}, directory=directory)


def clear_faults(*, directory: str | os.PathLike[str] | None = None) -> None:
    """Forget all faults that still wait for their call."""
    ask("DELETE", "faults", directory=directory)


def ensure_delay(seconds: float, *, directory: str | os.PathLike[str] | None = None) -> None:
    """Let this time pass before each answer of the API, as it does on the way to a region and back; 0 is none."""
    ask("POST", "delay", {"seconds": seconds}, directory=directory)


def turn_clock(now: datetime, *, directory: str | os.PathLike[str] | None = None) -> list[dict[str, str]]:
    """Let it be a later moment for the schedules; return those that were carried out on the way there.

    Each has `schedule`, `at`, `action` and `error`, which is empty where EC2 did as it was told.
    """
    fired = ask("POST", "clock", {"now": now.isoformat()}, directory=directory)
    return [{str(key): str(value) for key, value in row.items()} for row in fired]


def spend(budget: str, usd: float, *, directory: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Let this be what has been spent by now, and return what AWS Budgets wrote to people for it.

    Each has `budget`, `to` (addresses), `threshold` (percent, or USD), `spent` and `limit` (USD), and as `action` the
    status of an action that was carried out.

    Args:
        budget: the name of the budget, or of the deployment that it is for.
        usd: spent since the budget's period began.
        directory: the sandbox's folder, in place of the default one.
    """
    return list(ask("POST", "spent", {"budget": budget, "usd": usd}, directory=directory))


def find_notifications(*, directory: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Return all that AWS Budgets wrote to people since the sandbox was started, as `spend` returns it."""
    return list(ask("GET", "notifications", directory=directory))


def interrupt_spot(
    instance_id: str, *, seconds: float = 120, directory: str | os.PathLike[str] | None = None
) -> dict[str, str]:
    """Let EC2 take a spot instance back: the notice comes at once, and the stop after so many seconds.

    Returns:
        The notice as the instance is told of it: `action`, and `time` in ISO 8601, UTC.
    """
    asked = {"instance_id": instance_id, "seconds": seconds}
    return {str(key): str(value) for key, value in ask("POST", "interrupt", asked, directory=directory).items()}


def return_capacity(*, directory: str | os.PathLike[str] | None = None) -> list[str]:
    """Let EC2 have room again: it starts the spot instances that it took back, and they are returned."""
    return [str(instance_id) for instance_id in ask("POST", "capacity", directory=directory)]


def find_calls(*, directory: str | os.PathLike[str] | None = None) -> dict[str, int]:
    """Return how often each action was called since the sandbox was started."""
    calls = ask("GET", "calls", directory=directory)
    return {str(action): int(count) for action, count in calls.items()}


def find_permissions(access_key_id: str, *, directory: str | os.PathLike[str] | None = None) -> list[str]:
    """Return what IAM must allow for the calls that were made with this key, such as `ec2:RunInstances`."""
    return [str(permission) for permission in ask("GET", "permissions", directory=directory).get(access_key_id, ())]


def ensure_quota(code: str, value: float, *, directory: str | os.PathLike[str] | None = None) -> None:
    """Grant this much of a service quota, by its code, such as L-1216C47A for the vCPUs of standard instances."""
    ask("POST", "quotas", {code: value}, directory=directory)


def ask(method: str, path: str, value: object = None, *, directory: str | os.PathLike[str] | None = None) -> Any:
    """Return what the running sandbox answers at one of its own addresses.

    Raises:
        SandboxError: no sandbox is running, or it refuses.
    """
    state = find_state(find_folder() if directory is None else Path(directory).absolute())
    if state is None:
        raise SandboxError("No sandbox is running.", "dstk sandbox up")
    return ask_server(state, method, path, value)


def ask_server(state: SandboxState, method: str, path: str, value: object = None) -> Any:
    """Return what this server answers; never by way of a proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", state.port, timeout=TIMEOUT)
    try:
        connection.request(method, f"/_dstk/{path}", None if value is None else json.dumps(value))
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SandboxError(f"The sandbox does not answer: {error}", "dstk sandbox down, then up") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise SandboxError(f"The sandbox refused: {answer['error']}")
    return answer
