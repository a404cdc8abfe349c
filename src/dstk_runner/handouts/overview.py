"""The class at a glance: who is well, who is not and what mends it, and how fresh that is."""

from __future__ import annotations

from datetime import datetime

from dstk_runner.costs import Cost
from dstk_runner.handouts.bars import WIDTH, describe_bars
from dstk_runner.handouts.people import Person
from dstk_runner.handouts.rows import count_states, describe_person
from dstk_runner.handouts.templating import render_page
from dstk_runner.results import Deployment, Failure

__all__ = ["RELOAD", "render_overview"]

RELOAD = 30
"""Seconds after which an open page looks at its file again, where nothing else is said."""


def render_overview(
    deployment: Deployment,
    people: tuple[Person, ...],
    *,
    as_of: datetime | None = None,
    note: str = "",
    reload: float = RELOAD,
    cost: Cost | None = None,
) -> str:
    """Return the overview as one HTML document.

    Args:
        deployment: whose failures are told.
        people: who is listed.
        as_of: when all this was true; by default now.
        note: why it is not newer.
        reload: seconds after which the open page looks at its file again.
        cost: what the class is estimated to cost, which is shown where it is given.
    """
    moment = (as_of or datetime.now()).astimezone()
    return render_page(
        "overview.html.j2",
        style="overview.css",
        script="overview.js",
        deployment=deployment,
        rows=[describe_person(person, moment) for person in people],
        counts=count_states(people),
        troubles=_group_failures(deployment, people),
        moment=moment,
        note=note,
        reload=round(reload),
        cost=cost,
        bars=describe_bars(cost) if cost else (),
        width=WIDTH,
    )


def _group_failures(deployment: Deployment, people: tuple[Person, ...]) -> list[tuple[Failure, list[Person]]]:
    """Return each failure once, with all whom it concerns: that of a host is one of each of its students."""
    known = {person.login: person for person in people}
    groups: dict[tuple[str | None, str, str], tuple[Failure, list[Person]]] = {}
    for failure in deployment.failures:
        _, concerned = groups.setdefault((failure.host, failure.message, failure.fix), (failure, []))
        if failure.student in known:
            concerned.append(known[failure.student])
    return list(groups.values())
