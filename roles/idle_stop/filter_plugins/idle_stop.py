"""Why a host that is stopped was stopped, by what EC2 says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_REASONS = {
    "Server.SpotInstanceShutdown": (
        "AWS took this spot instance back, and starts it again when it has room; the homes are safe, and `dstk up` "
        "puts a new host in its place before that"
    ),
    "Client.UserInitiatedShutdown": "AWS was asked to stop it: by `dstk stop`, its schedule, its end or somebody else",
    "Client.InstanceInitiatedShutdown": (
        "it shut itself down, as it does when nobody works on it; `/var/log/dstk/idle.log` on it tells more"
    ),
}


def idle_stop_known(code: str, transition: str) -> dict[str, Any]:
    """Answer of a stopped host what a running one says of itself.

    EC2 knows that a host shut itself down and not why: a poweroff that somebody typed looks the same.

    Args:
        code: the instance's StateReason.Code.
        transition: its StateTransitionReason, such as ``User initiated (2026-11-25 22:10:11 GMT)``, often empty.
    """
    moment = re.search(r"\((\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) GMT\)", transition)
    return {
        "state": "stopped",
        "since": f"{moment[1]}T{moment[2]}Z" if moment else "",
        "stops_at": "",
        "why": {"(host)": _REASONS.get(code, f"AWS says {code}")},
    }


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by the names they have in templates."""
        return {"idle_stop_known": idle_stop_known}
