"""How long a deployment runs until AWS stops it for good, and that it shall run longer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.events import OnEvent
from dstk_runner.outcome import read_failures
from dstk_runner.project import load_schedule
from dstk_runner.results import Failure, Json, explain_nothing, open_document
from dstk_runner.session import Request, open_request, run_for

__all__ = ["Extension", "describe_end", "extend", "find_links_notice"]


@dataclass(frozen=True, kw_only=True)
class Extension:
    """The end of a deployment: `until` in ISO 8601, UTC, empty where there is no host."""

    deployment: str
    region: str
    until: str = ""
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk extend --json`."""
        failures = [failure.to_json() for failure in self.failures]
        return {**open_document(self), "until": self.until, "failures": failures}


def extend(
    config: Request = None, *, by: str = "", until: str = "", on_event: OnEvent | None = None, **overrides: Any
) -> Extension:
    """Let a deployment end later. Hosts that are stopped stay so. Raises what `deploy` does.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        by: how much longer than until the present end, or from now on where that is past: `7d`, `12h`.
        until: instead, the date at whose end (in the schedule's time zone) it ends: `2026-12-18`.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    from dstk_runner.roll import call_roll
    from dstk_runner.state import hold_lock, new_log

    with open_request(config, overrides, on_event) as wanted:
        _check(wanted, by, until)
        with hold_lock(wanted, "extend") as run:
            roll = call_roll(wanted)
            nothing = Extension(
                deployment=wanted.deployment,
                region=wanted.region,
                failures=(explain_nothing(wanted, stage="extend"),),
            )
            if not roll.hosts:
                return nothing
            log = new_log(wanted, "extend")
            extra = {"dstk_by": by, "dstk_until": until}
            result = run_for("extend", wanted, on_event, log, run_id=run, extra=extra)
            moved = str(result.stats.get("dstk_end", {}).get("until", ""))
            return replace(nothing, until=moved, failures=read_failures(wanted, result, roll, log), log=log)


def _check(config: Config, by: str, until: str) -> None:
    """Raise ConfigError where nobody can tell until when."""
    now = datetime.now(UTC)
    try:
        load_schedule().prolong(now, by=by, until=until, zone=str(config.schedule.get("timezone", "UTC")), now=now)
    except ValueError as error:
        flag = "--until" if until and not by else "--by"
        raise ConfigError([Mistake("", flag, str(error), "such as --by 7d or --until 2026-12-18")]) from None


def describe_end(until: str) -> str:
    """Say in a sentence what becomes of the hosts at the end, or became."""
    end = load_schedule().parse_moment(until)
    words = end.strftime("%Y-%m-%d %H:%M UTC")
    if end <= datetime.now(UTC):
        return f"It ended at {words}: hosts are stopped and kept. `dstk extend --by 7d`, then `dstk start`, goes on."
    return f"It runs until {words}; then AWS stops the hosts, and keeps them. `dstk extend` prolongs it."


def find_links_notice(config: Config) -> str:
    """Say what a schedule does to links; nothing where they stay as they are."""
    if not config.schedule.get("start") or config.elastic_ip:
        return ""
    return (
        "AWS starts the hosts with addresses that are new each time, so that links and certificates of before "
        "are good again only after somebody ran `dstk start`"
    )
