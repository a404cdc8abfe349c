"""How long the stages of a run take, from the last run that ended well, and so how long there is still to wait."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from dstk_runner.config import Config

__all__ = ["estimate_rest", "keep_pace", "read_pace"]

_USUAL: Mapping[str, Mapping[str, float]] = {
    "up": {"check": 3, "provision": 60, "configure": 240, "ask": 10},
    "status": {"ask": 10},
    "destroy": {"destroy": 60},
}
"""Seconds of a first run on AWS, most of them for the pull of an image of 5 GB."""


def read_pace(config: Config, command: str) -> dict[str, float]:
    """Return the seconds that each stage of a command is likely to take, in order."""
    known: Mapping[str, Mapping[str, float]] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((config.folder / "pace.json").read_text(encoding="utf-8"))
    return dict(known.get(command) or _USUAL.get(command, {}))


def keep_pace(config: Config, command: str, took: Mapping[str, float]) -> None:
    """Write down how long the stages took. That it cannot be written is no reason to fail."""
    path = config.folder / "pace.json"
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**known, command: dict(took)}), encoding="utf-8")


def estimate_rest(pace: Mapping[str, float], took: Mapping[str, float], *, now: str) -> float:
    """Return the seconds that are left.

    Args:
        pace: seconds that each stage is likely to take.
        took: seconds of each stage so far.
        now: the stage that is going on; one that outlasts its time is taken to need a tenth more.
    """
    spent = took.get(now, 0.0)
    stages = list(pace)
    # a stage that was left out this time, as the start of a sandbox that runs, does not come any more
    coming = stages[stages.index(now) + 1 :] if now in pace else stages
    return max(pace.get(now, 0.0) - spent, spent / 10) + sum(pace[stage] for stage in coming if stage not in took)
