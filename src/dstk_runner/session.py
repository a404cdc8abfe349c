"""A request that is carried out: its configuration, its target, the playbooks that are run for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstk_runner.config import Config, Source, load_config
from dstk_runner.errors import DstkError
from dstk_runner.events import OnEvent

if TYPE_CHECKING:
    from dstk_runner.playbooks import PlaybookResult
    from dstk_runner.roll import Roll

__all__ = ["Request", "add_to_run", "call_roll_after", "open_request", "run_for"]

Request = Config | Source


def add_to_run(overrides: Mapping[str, Any], limit: Iterable[str], prune: bool = False) -> dict[str, Any]:
    """Return the overrides with what is said of this run alone."""
    names = [limit] if isinstance(limit, str) else list(limit)
    return {**overrides, **({"limit": names} if names else {}), **({"prune": True} if prune else {})}


@contextlib.contextmanager
def open_request(config: Request, overrides: Mapping[str, Any], on_event: OnEvent | None) -> Iterator[Config]:
    """Let this process speak to the target of a configuration, with the overrides in it, while this is open."""
    from dstk_runner.targets import open_target

    if isinstance(config, Config):
        wanted = load_config(config.chosen_values(), overrides=overrides) if overrides else config
    else:
        wanted = load_config(config, overrides=overrides)
    with open_target(wanted, on_event) as opened:
        yield opened


def run_for(
    name: str,
    config: Config,
    on_event: OnEvent | None,
    log: Path,
    *,
    check: bool = False,
    run_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> PlaybookResult:
    """Run a playbook with the variables of a configuration, and `extra` ones; see `run_playbook`."""
    from dstk_runner.playbooks import run_playbook

    variables = {**config.extra_vars(), **(extra or {})}
    return run_playbook(name, extra_vars=variables, log_path=log, on_event=on_event, check=check, run_id=run_id)


def call_roll_after(config: Config) -> Roll:
    """Ask who sits where after a run; where AWS does not answer any more, the run's own answers must do."""
    from dstk_runner.roll import Roll, call_roll

    try:
        return call_roll(config)
    except DstkError:
        return Roll(students=tuple(row["student"] for row in config.members))
