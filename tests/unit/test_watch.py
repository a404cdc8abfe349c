from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, DstkError, Interrupted, Mistake
from dstk_runner.results import Deployment
from dstk_runner.watch import Glance, watch
from support.classes import notebook, seen, wanted

pytestmark = pytest.mark.usefixtures("home")

WELL = seen(notebook("ada"))
NO_NETWORK = DstkError("no network", "mend it")
PAGE = Path("class.html")


class ScriptEndError(Exception):
    """The end of a script of looks, as Ctrl-C would be one."""


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have slept between two looks."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def play(
    *answers: Deployment | Exception, load: Callable[[], Config] | None = None, seconds: float = 30
) -> list[Glance]:
    """Watch while the looks have these answers; hand back what was told."""
    told: list[Glance] = []
    script: Iterator[Deployment | Exception] = iter([*answers, ScriptEndError()])

    def look(_: Config) -> Deployment:
        answer = next(script)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ScriptEndError):
        watch(load or (lambda: wanted("ada")), look, told.append, seconds=seconds, html=PAGE)
    return told


def test_each_look_is_told(naps: list[float]) -> None:
    assert [glance.deployment for glance in play(WELL, WELL)] == [WELL, WELL]


def test_the_page_is_written(naps: list[float]) -> None:
    play(WELL)
    assert "ready" in PAGE.read_text()


def test_the_page_is_read_again_as_often_as_it_is_written(naps: list[float]) -> None:
    play(WELL, seconds=300)
    assert 'data-reload="300"' in PAGE.read_text()


def test_the_pause_is_what_the_look_left_of_it(naps: list[float]) -> None:
    play(WELL)
    assert 25 < naps[0] <= 30


def test_looks_that_take_longer_follow_one_another_with_a_breath(
    naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 45))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    play(WELL)
    assert naps == [1.0]


def test_a_failed_look_keeps_what_was_seen_with_its_time(naps: list[float]) -> None:
    first, second = play(WELL, NO_NETWORK)
    assert (second.deployment, second.as_of, second.error) == (WELL, first.as_of, NO_NETWORK)


def test_a_failed_look_is_told_on_the_page(naps: list[float]) -> None:
    play(WELL, NO_NETWORK)
    page = PAGE.read_text()
    assert "no network" in page
    assert 'id="ada"' in page


def test_the_next_look_takes_the_trouble_off_the_page(naps: list[float]) -> None:
    play(WELL, NO_NETWORK, WELL)
    assert "no network" not in PAGE.read_text()


def test_a_first_look_that_fails_is_told_and_not_the_end(naps: list[float]) -> None:
    assert [glance.error for glance in play(NO_NETWORK, WELL)] == [NO_NETWORK, None]


def test_a_wrong_request_is_the_end_before_it_began(naps: list[float]) -> None:
    def refuse() -> Config:
        raise ConfigError([Mistake("dstk.yml:1", "region", "no such region")])

    with pytest.raises(ConfigError):
        watch(refuse, lambda _: WELL, lambda _: None, seconds=30)


def test_a_roster_that_is_being_edited_is_told(naps: list[float]) -> None:
    wrong = ConfigError([Mistake("roster.csv:2", "", "no name")])
    assert [glance.error for glance in play(WELL, wrong, WELL)] == [None, wrong, None]


def test_a_roster_that_was_edited_is_seen(naps: list[float]) -> None:
    configs = iter([wanted("ada"), wanted("ada", "bob"), wanted("ada", "bob")])
    told = play(WELL, WELL, load=lambda: next(configs))
    assert [len(glance.people) for glance in told] == [1, 2]


def test_an_interruption_is_the_end(naps: list[float]) -> None:
    def interrupt(_: Config) -> Deployment:
        raise Interrupted("interrupted")

    with pytest.raises(Interrupted):
        watch(lambda: wanted("ada"), interrupt, lambda _: None, seconds=30)


def test_the_logs_of_looks_do_not_pile_up(naps: list[float]) -> None:
    logs = [Path("1.log"), Path("2.log")]
    for log in logs:
        log.touch()
    play(*(replace(WELL, log=log) for log in logs))
    assert [log.exists() for log in logs] == [False, True]


def test_a_page_that_cannot_be_written_is_a_wrong_request_at_once(naps: list[float]) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        watch(lambda: wanted("ada"), lambda _: WELL, lambda _: None, seconds=30, html=Path("nowhere/class.html"))
