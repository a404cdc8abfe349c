"""What becomes of a host, by what a look at it found. Pure functions: they ask nobody, and do nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

HOST = "(host)"
"""Under which what is not a notebook's stands; no login has a bracket."""


@dataclass(frozen=True)
class Seen:
    """What one look found. `work` says what goes on now; `last` is when something last did, in seconds since 1970.

    `computes` is whether processes use the processor, whatever its kernels say.
    """

    work: str = ""
    open: bool = False
    answers: bool = True
    running: bool = True
    computes: bool = False
    last: float = 0.0


@dataclass(frozen=True)
class Memory:
    """What is known of a notebook from the look before: when it was last at work, and when it last counted as such."""

    real: float = 0.0
    counted: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What becomes of the host: it is busy, idle, ending or off. Times are in seconds since 1970."""

    state: str
    since: float
    stops_at: float
    why: dict[str, str]
    memories: dict[str, Memory]


def judge(
    seen: dict[str, Seen], before: dict[str, Memory], *, now: float, started: float, timeout: float, patience: float
) -> Verdict:
    """Say what becomes of the host.

    Args:
        seen: what this look found, by student.
        before: what the look before left behind.
        now: the time.
        started: when the host started, which counts as work.
        timeout: seconds without work after which it stops.
        patience: seconds for which a browser that is open, or a Jupyter or Docker that does not answer, counts as work
            although nothing goes on. A tab that was forgotten is what keeps most machines from stopping.
    """
    memories, why, held = {}, {}, False
    for student, found in seen.items():
        # one that nobody has looked at before has just been made, or was served by a run of dstk
        old = before.get(student, Memory(now, now))
        # a clock that was set back leaves moments behind that are yet to come
        real = now if found.work else max(started, found.last, min(old.real, now))
        waits = found.running and (found.open or not found.answers)
        counts = bool(found.work) or (waits and now - real < patience)
        memories[student] = Memory(real, now if counts else max(real, min(old.counted, now)))
        if found.work or student != HOST or not found.answers:
            why[student] = explain(student, found, counts)
        held |= counts
    since = max([started, *(memory.counted for memory in memories.values())])
    return Verdict("busy" if held else "idle", since, since + timeout, why, memories)


def explain(student: str, found: Seen, counts: bool) -> str:
    """Say of one notebook, or of the host, why it holds the host up, or does not."""
    if found.work:
        return found.work
    if not found.running:
        return "the notebook is stopped"
    if not found.answers:
        silent = "Docker" if student == HOST else "JupyterLab"
        return f"{silent} does not answer" + (", which counts as work for a while" if counts else "")
    if found.open:
        return "a notebook is open in a browser" + ("" if counts else ", and nothing has gone on in it for long")
    return "nothing runs"


def announce(verdict: Verdict, *, now: float, announced_for: float | None, warning: float) -> Verdict:
    """Say whether the end is near. It never comes before it has been announced for as long as `warning` says.

    Args:
        verdict: what `judge` said.
        now: the time.
        announced_for: seconds since it was announced, by a clock that nobody sets; None where it was not.
        warning: seconds.
    """
    if verdict.state != "idle" or now < verdict.stops_at - warning:
        return verdict
    return replace(verdict, state="ending", stops_at=max(verdict.stops_at, now + warning - (announced_for or 0.0)))
