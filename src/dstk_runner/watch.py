"""Looking at a class again and again: `dstk status --watch`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dstk_runner.config import Config
from dstk_runner.costs import Cost
from dstk_runner.errors import ConfigError, DstkError, Interrupted
from dstk_runner.handouts.bars import estimate_for_page
from dstk_runner.handouts.people import Person, find_people
from dstk_runner.results import Deployment

__all__ = ["Glance", "watch"]

_BREATH = 1.0
"""Seconds between two looks, however long one took."""


@dataclass(frozen=True)
class Glance:
    """What was seen last, of whom, and when; `error` is why the last look saw nothing."""

    deployment: Deployment | None = None
    people: tuple[Person, ...] = ()
    as_of: datetime | None = None
    error: DstkError | None = None
    cost: Cost | None = None


def watch(
    load: Callable[[], Config],
    look: Callable[[Config], Deployment],
    tell: Callable[[Glance], None],
    *,
    seconds: float,
    html: Path | None = None,
) -> None:
    """Look every so many seconds until Ctrl-C, one look after the other, and keep the page `html` fresh.

    A look that fails is told, with what was seen last and its age; the next one comes all the same. A request that is
    wrong from the start is raised; one that becomes wrong, because its file is being edited, is told.
    """
    glance = Glance()
    first = True
    while True:
        began = time.monotonic()
        try:
            config = load()
            seen = look(config)
            _forget_log(glance)
            cost = estimate_for_page(config) if html else None
            glance = Glance(seen, find_people(seen, config), datetime.now().astimezone(), cost=cost)
            _write(html, glance, seconds)
        except Interrupted:
            raise
        except DstkError as error:
            if first and isinstance(error, ConfigError):
                raise
            glance = replace(glance, error=error)
            with contextlib.suppress(DstkError):
                _write(html, glance, seconds)
        first = False
        tell(glance)
        time.sleep(max(_BREATH, seconds - (time.monotonic() - began)))


def _write(html: Path | None, glance: Glance, seconds: float) -> None:
    from dstk_runner.handouts.files import write_private
    from dstk_runner.handouts.overview import render_overview

    if html and glance.deployment:
        note = glance.error.message if glance.error else ""
        page = render_overview(
            glance.deployment, glance.people, as_of=glance.as_of, note=note, reload=seconds, cost=glance.cost
        )
        write_private(html, page)


def _forget_log(glance: Glance) -> None:
    """Remove the log of the look before, so that an afternoon of looking does not push the logs of real runs out."""
    if glance.deployment and glance.deployment.log:
        glance.deployment.log.unlink(missing_ok=True)
