"""A student as a line of a table: the numbers as people say them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dstk_runner.handouts.people import Person

__all__ = ["Row", "count_states", "describe_person"]

# a mark beside each word, so that neither colour nor language alone tells a state; in the order of the summary
_MARKS = {"ready": "✓", "starting": "…", "failed": "✗", "unreachable": "?", "missing": "○", "stopped": "■"}
_NEARLY_FULL = 0.9
_LITTLE_DISK = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is shown of a student; a text is empty where nothing is known."""

    person: Person
    mark: str
    active: str = ""
    memory: str = ""
    memory_tight: bool = False
    disk: str = ""
    disk_tight: bool = False


def describe_person(person: Person, moment: datetime) -> Row:
    """Return a student's line as it was true at `moment`."""
    mark = _MARKS.get(person.state, "?")
    book = person.notebook
    if book is None:
        return Row(person=person, mark=mark)
    used, limit = book.memory_used, book.memory_limit
    return Row(
        person=person,
        mark=mark,
        active=_tell_ago(book.last_activity, moment),
        memory=_join(used, limit, "{} of {}"),
        memory_tight=bool(used and limit and used > _NEARLY_FULL * limit),
        disk=_join(book.disk_used, book.disk_free, "{}, {} free"),
        disk_tight=book.disk_free is not None and book.disk_free < _LITTLE_DISK,
    )


def count_states(people: Iterable[Person]) -> list[tuple[str, str, int]]:
    """Return mark, state and number of each state that somebody is in."""
    states = Counter(person.state for person in people)
    order = [*_MARKS, *sorted(states.keys() - _MARKS.keys())]
    return [(_MARKS.get(state, "?"), state, states[state]) for state in order if states[state]]


def _tell_ago(then: str, moment: datetime) -> str:
    """Return how long before `moment` an ISO 8601 time was, in its largest unit."""
    try:
        seconds = (moment - datetime.fromisoformat(then).astimezone()).total_seconds()
    except ValueError:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now"


def _join(first: int | None, second: int | None, words: str) -> str:
    if first is None:
        return ""
    return _tell_size(first) if second is None else words.format(_tell_size(first), _tell_size(second))


def _tell_size(size: int) -> str:
    """Return bytes as people say them, from 1 MB on; a GB is 1024 MB here, as it is for Docker."""
    for unit, factor in (("TB", 1 << 40), ("GB", 1 << 30)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{max(size, 1 << 20) / (1 << 20):.0f} MB"
