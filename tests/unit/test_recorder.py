from __future__ import annotations

import io
from typing import Any

import pytest

from dstk_runner.events import Event
from dstk_runner.recorder import Recorder

HOSTS = {"i-1": {"students": ["ada", "bob"]}}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(io.StringIO())


def ended(task: str, *, host: str = "i-1", kind: str = "ok", **result: Any) -> dict[str, Any]:
    return {"event": f"runner_on_{kind}", "event_data": {"host": host, "task": task, "res": result}}


def begun(play: str) -> dict[str, Any]:
    return {"event": "playbook_on_play_start", "event_data": {"name": play}}


def published(**data: Any) -> dict[str, Any]:
    return ended("The result is known", host="localhost", ansible_stats={"data": data})


def test_events_of_a_host_name_its_students_once_they_are_published(recorder: Recorder) -> None:
    recorder.record(published(dstk_hosts=HOSTS))
    [event] = recorder.record(ended("Docker is there"))
    assert event.students == ("ada", "bob")


def test_the_controller_has_no_students(recorder: Recorder) -> None:
    recorder.record(published(dstk_hosts=HOSTS))
    [event] = recorder.record(ended("The VPC is there", host="localhost"))
    assert event.students == ()


def test_a_summary_that_fails_names_only_those_who_failed(recorder: Recorder) -> None:
    recorder.record(published(dstk_hosts=HOSTS, dstk_failures={"bob": {"host": "i-1"}}))
    [event] = recorder.record(ended("Every notebook is well", kind="failed"))
    assert event.students == ("bob",)


def test_a_play_starts_with_its_first_host(recorder: Recorder) -> None:
    assert recorder.record(begun("Configure")) == ()
    opening, event = recorder.record(ended("Docker is there"))
    assert (opening.stage, opening.host) == ("configure", None)
    assert event == Event(stage="configure", host="i-1", task="Docker is there", status="ok")


def test_a_play_without_hosts_is_no_stage(recorder: Recorder) -> None:
    recorder.record(begun("Prune"))
    recorder.record({"event": "playbook_on_no_hosts_matched"})
    recorder.record(begun("Ask"))
    opening, _ = recorder.record(ended("AWS answers", host="localhost"))
    assert opening.stage == "ask"
