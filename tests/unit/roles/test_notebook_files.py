from __future__ import annotations

from collections.abc import Callable

import pytest

Filters = dict[str, Callable[..., object]]

SEATS = [{"student": "ada", "seat": 1, "identity": "0"}, {"student": "ben", "seat": 2, "identity": "1"}]


@pytest.mark.parametrize(
    ("students", "chosen"), [(["*"], ["ada", "ben"]), (["ben", "cy"], ["ben"]), ([], [])], ids=["all", "some", "nobody"]
)
def test_who_takes_part_is_who_is_named(students: list[str], chosen: list[str], notebook_files: Filters) -> None:
    selected = notebook_files["notebook_files_select"](SEATS, students)
    assert selected == [{"student": student, "container": f"dstk-{student}"} for student in chosen]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        *(("week1/", "week1"), ("./a//b", "a/b"), ("a b/ü", "a b/ü"), ("..a", "..a")),
        *((path, "") for path in ("", ".", "/etc", "../x", "a/..", "~ada/x", "a\0b")),
    ],
)
def test_a_place_in_a_home_stays_in_it(path: str, place: str, notebook_files: Filters) -> None:
    assert notebook_files["notebook_files_place"](path) == place


def test_a_failure_says_whose_it_is_and_where(notebook_files: Filters) -> None:
    told = notebook_files["notebook_files_failures"]({"ada": {"message": "no", "fix": "yes"}}, "i-1", "send")
    failure = {"host": "i-1", "student": "ada", "stage": "send", "task": "send", "message": "no", "fix": "yes"}
    assert told == {"ada": failure}


def test_the_course_answers_as_the_other_tools_do(notebook_files: Filters) -> None:
    result = {"commits": {"ada": "c0ffee"}, "failures": {"ben": "no such branch\nFix: correct course_branch."}}
    assert notebook_files["notebook_files_course"](result) == {
        "answers": {"ada": {"commit": "c0ffee"}},
        "failures": {"ben": {"message": "no such branch", "fix": "correct course_branch."}},
    }


def test_whose_host_does_not_run_is_told_what_starts_it(notebook_files: Filters) -> None:
    told = notebook_files["notebook_files_stopped"]([{"student": "ada"}], "stopped")
    fix = "`dstk start` starts it; then run the same command again"
    assert told == {"ada": {"message": "the host is stopped", "fix": fix}}
