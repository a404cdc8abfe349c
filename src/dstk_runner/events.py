"""What happens during a run, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "OnEvent", "Status"]

Status = Literal["started", "ok", "changed", "skipped", "failed", "unreachable", "note"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One step of progress.

    `stage` is the name of a play, in lower case, or of what dstk does itself (`check`, `sandbox`). An event with
    neither task nor host says that the stage started. `students` are those whose notebooks are on the host, as far as
    that is known. `elapsed` is in seconds: what the task took, or, where
    nothing has ended yet, the time since the run began.
    """

    stage: str
    host: str | None = None
    task: str | None = None
    status: Status = "started"
    elapsed: float = 0.0
    message: str = ""
    students: tuple[str, ...] = ()


OnEvent = Callable[[Event], None]
