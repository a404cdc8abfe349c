"""What the library does with a request, and what it tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import dstk_runner
from dstk_runner import api
from dstk_runner.display import render_deployment
from dstk_runner.errors import ConfigError, RunError
from dstk_runner.playbooks import PlaybookResult
from dstk_runner.results import Change, Check, Deployment, Failure
from support.world import HOMES, World, host, notebooks, published


def test_the_public_names_are_few_and_there() -> None:
    assert len(dstk_runner.__all__) <= 50
    assert all(hasattr(dstk_runner, name) for name in dstk_runner.__all__)


def test_a_deployment_holds_the_notebooks_with_their_passwords(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, hosts=frozenset({"i-1"}), stats=published(home, "ada"))
    deployment = api.deploy()
    assert [(book.student, book.password) for book in deployment.notebooks] == [("ada", "open sesame")]
    assert deployment.ok


def test_the_document_has_the_keys_of_the_design_in_their_order(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=2, stats=published(home, "ada"), failures=(Failure(message="no", host="i-1"),))
    document = api.deploy().to_json()
    assert list(document) == [
        "deployment",
        "region",
        "ok",
        "notebooks",
        "failures",
        "gone",
        "pruned",
        "tls",
        "names_by_hand",
        "until",
        "budget_spent",
        "idle",
        "image",
        "kept",
        "nearly_full",
    ]
    assert list(document["notebooks"][0]) == [
        *("student", "url", "password", "instance_id", "address", "state", "container"),
        *("seat", "image", "last_activity", "memory_used", "memory_limit", "disk_used", "disk_free"),
    ]
    assert list(document["failures"][0]) == ["host", "student", "stage", "task", "message", "fix"]


def test_names_that_somebody_has_to_make_are_told_and_shown(
    world: World, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"ada.class.example.edu": "203.0.113.7"}
    world.result = PlaybookResult(rc=0, stats=published(home, "ada", dstk_names={"zone": "", "by_hand": names}))
    deployment = api.deploy(domain="class.example.edu")
    assert deployment.to_json()["names_by_hand"] == [{"name": "ada.class.example.edu", "address": "203.0.113.7"}]
    Console().print(render_deployment(deployment))
    assert "ada.class.example.edu. 60 IN A 203.0.113.7" in capsys.readouterr().out


@pytest.mark.parametrize("spent", [True, False])
def test_whether_a_budget_is_spent_is_told_and_that_it_is_is_shown(
    world: World, home: Path, capsys: pytest.CaptureFixture[str], spent: bool
) -> None:
    end = {"until": "2026-12-18T00:00:00Z", "budget_spent": spent}
    world.result = PlaybookResult(rc=0, stats=published(home, "ada", dstk_end=end))
    deployment = api.deploy()
    assert deployment.to_json()["budget_spent"] is spent
    Console().print(render_deployment(deployment))
    assert ("The budget is spent" in capsys.readouterr().out) is spent


@pytest.mark.parametrize("run", [api.status, api.deploy])
def test_where_nobody_asked_whether_a_budget_is_spent_that_is_not_said(
    world: World, home: Path, capsys: pytest.CaptureFixture[str], run: Callable[[], Deployment]
) -> None:
    world.hosts = (host("i-1", "ada"),)
    world.result = PlaybookResult(rc=0, stats=published(home, "ada"))
    deployment = run()
    assert deployment.ok
    assert json.loads(json.dumps(deployment.to_json()))["budget_spent"] is None
    Console().print(render_deployment(deployment))
    assert "The budget is spent" not in capsys.readouterr().out


def test_a_failure_knows_its_student_and_always_has_a_remedy(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=2, stats=published(home, "ada"), failures=(Failure(message="no", host="i-1"),))
    [failure] = api.deploy().failures
    assert failure.student == "ada"
    assert "-up.log" in failure.fix


def test_a_password_never_stands_in_a_representation(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, stats=published(home, "ada"))
    assert "sesame" not in repr(api.deploy())


def test_a_failed_check_is_a_failure_and_nothing_is_run(world: World) -> None:
    world.checks = [Check(name="credentials", status="fail", message="none", fix="aws configure")]
    deployment = api.deploy()
    assert [(f.stage, f.task, f.fix) for f in deployment.failures] == [("check", "credentials", "aws configure")]
    assert world.ran == []


def test_a_wrong_request_is_an_exception_and_nothing_is_run(world: World) -> None:
    world.checks = [Check(name="region", status="fail", message="none such", request=True)]
    with pytest.raises(ConfigError, match="none such"):
        api.deploy()
    assert world.ran == []


def test_a_warning_stops_nobody(world: World) -> None:
    world.checks = [Check(name="memory", status="warn", message="little")]
    api.deploy()
    assert [name for name, _ in world.ran] == ["site"]


def test_keyword_arguments_mappings_and_paths_say_the_same(world: World, home: Path) -> None:
    (home / "other.yml").write_text("region: eu-west-1\n")
    for options in ({"region": "eu-west-1"}, {"config": {"region": "eu-west-1"}}, {"config": "other.yml"}):
        assert api.deploy(**options).region == "eu-west-1"
    assert {ran["extra_vars"]["dstk_region"] for _, ran in world.ran} == {"eu-west-1"}


def test_a_config_can_be_overridden(world: World) -> None:
    config = dstk_runner.load_config({"region": "eu-west-1", "volume_size": 40})
    api.deploy(config, region="eu-west-2")
    variables = world.ran[0][1]["extra_vars"]
    assert (variables["dstk_region"], variables["dstk_volume_size"]) == ("eu-west-2", 40)


def test_the_status_of_nothing_asks_no_host(world: World) -> None:
    assert (api.status().notebooks, world.ran) == ((), [])


@pytest.mark.parametrize(("state", "ok"), [("ready", True), ("starting", True), ("stopped", True), ("failed", False)])
def test_a_notebook_that_does_not_work_is_a_failure_of_the_status(
    world: World, home: Path, state: str, *, ok: bool
) -> None:
    world.hosts = (host("i-1", "ada"),)
    world.result = PlaybookResult(rc=0, stats={"dstk_notebooks": notebooks(home, "ada", state=state)})
    assert api.status().ok is ok


def test_a_plan_is_made_in_check_mode(world: World) -> None:
    world.result = PlaybookResult(rc=0, changes=(Change(host="localhost", task="The VPC is there"),))
    assert [change.task for change in api.plan().changes] == ["The VPC is there"]
    assert [(name, ran["check"]) for name, ran in world.ran] == [("plan", True)]


def test_the_status_tells_of_volumes_that_are_kept(world: World) -> None:
    world.kept = (HOMES,)
    assert api.status().kept == (HOMES,)


@pytest.mark.parametrize(("used", "free", "full"), [(91, 9, ("ada",)), (90, 10, ()), (None, 9, ())])
def test_a_home_with_little_room_is_told(
    world: World, home: Path, used: int | None, free: int, full: tuple[str, ...]
) -> None:
    world.hosts = (host("i-1", "ada"),)
    told = {"ada": {**notebooks(home, "ada")["ada"], "disk_used": used, "disk_free": free}}
    world.result = PlaybookResult(rc=0, stats={"dstk_notebooks": told})
    assert api.status().nearly_full == full


def test_logs_come_by_host_and_by_log(world: World) -> None:
    world.hosts = (host("i-1", "ada"),)
    world.result = PlaybookResult(rc=0, stats={"dstk_logs": {"i-1": {"container": ["hello"], "pull": []}}})
    logs = api.read_logs(lines=7)
    assert logs.hosts == {"i-1": {"container": ("hello",), "pull": ()}}
    assert world.ran[0][1]["extra_vars"]["jupyter_container_log_lines"] == 7


def test_rotating_where_nothing_is_runs_nothing(world: World) -> None:
    world.hosts = ()
    assert ([failure.fix for failure in api.rotate().failures], world.ran) == (["dstk up"], [])


def test_rotating_runs_the_playbook_of_that_name(world: World) -> None:
    world.hosts = (host("i-1", "ada"),)
    api.rotate(limit=["ada"])
    assert [name for name, _ in world.ran] == ["rotate"]


@pytest.mark.parametrize("turn", [api.stop, api.start])
def test_where_nothing_is_nothing_is_stopped_or_started(world: World, turn: Any) -> None:
    assert ([failure.fix for failure in turn().failures], world.ran) == (["dstk up"], [])


def test_starting_is_for_those_who_have_a_seat(world: World) -> None:
    world.hosts = (host("i-1", "ada"),)
    api.start(students=["ada", "bob"])
    [(name, options)] = world.ran
    assert (name, options["extra_vars"]["dstk_limit"]) == ("start", ["ada"])


def test_stopping_all_leaves_nobody_out_who_has_left_the_roster(world: World) -> None:
    world.hosts = (host("i-1", "ada", "gone"),)
    assert {failure.student for failure in api.stop(students=["ada", "bob"]).failures} == {"ada"}
    [(name, options)] = world.ran
    assert (name, options["extra_vars"]["dstk_limit"]) == ("stop", [])


def test_an_error_without_mistakes_is_one_failure() -> None:
    [failure] = api.explain_failure(RunError("it broke", "mend it"), stage="dstk")
    assert (failure.message, failure.fix) == ("it broke", "mend it")


TWO = {"students": ["bob", "ada"]}


def test_a_class_comes_in_the_order_of_its_roster(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, stats=published(home, "ada", "bob"))
    deployment = api.deploy(TWO)
    assert [notebook.student for notebook in deployment] == ["bob", "ada"]
    assert deployment["ada"].container == "dstk-ada"


def test_a_student_without_a_notebook_is_a_key_error(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, stats=published(home, "ada", "bob"))
    with pytest.raises(KeyError, match="no notebook of grace"):
        api.deploy(TWO)["grace"]


def test_one_students_failure_is_told_by_the_role_and_not_by_its_summary(world: World, home: Path) -> None:
    told = {"bob": {"host": "i-1", "stage": "configure", "task": "The image is pulled", "message": "no", "fix": "do"}}
    summary = Failure(host="i-1", stage="configure", task="Every notebook is well", message="1 of 2 is not")
    world.result = PlaybookResult(rc=2, failures=(summary,), stats=published(home, "ada", dstk_failures=told))
    world.hosts = (host("i-1", "ada", "bob"),)
    expected = Failure(student="bob", host="i-1", stage="configure", task="The image is pulled", message="no", fix="do")
    assert api.deploy(TWO).failures == (expected,)


def test_a_hosts_failure_is_one_of_each_of_its_students(world: World, home: Path) -> None:
    failure = Failure(host="i-1", stage="configure", task="Docker Engine is installed", message="no", fix="do")
    world.result = PlaybookResult(rc=2, failures=(failure,))
    world.hosts = (host("i-1", "ada", "bob"),)
    assert [(f.student, f.host) for f in api.deploy(TWO).failures] == [("bob", "i-1"), ("ada", "i-1")]


def test_a_student_who_is_nowhere_is_a_failure(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, stats=published(home, "ada"))
    assert [(f.student, f.fix) for f in api.deploy(TWO).failures] == [("bob", "dstk up")]


def test_a_failure_of_the_network_is_everybodys_once(world: World) -> None:
    world.result = PlaybookResult(rc=2, failures=(Failure(host="localhost", stage="provision", message="no VPC"),))
    assert [(f.student, f.message) for f in api.deploy(TWO).failures] == [(None, "no VPC")]


def test_who_has_gone_is_listed_with_their_host_and_is_no_failure(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, stats=published(home, "ada", "bob", "eve"))
    world.hosts = (host("i-1", "ada", "bob", "eve"),)
    deployment = api.deploy(TWO)
    assert deployment.gone == {"eve": "i-1"}
    assert (deployment.ok, [notebook.student for notebook in deployment]) == (True, ["bob", "ada"])
    assert deployment.to_json()["gone"] == [{"student": "eve", "instance_id": "i-1"}]


def test_whoever_would_be_pruned_can_be_asked_for(world: World) -> None:
    world.hosts = (host("i-1", "ada", "eve"),)
    assert api.find_gone(TWO) == {"eve": "i-1"}


def test_a_seat_keeps_its_login_when_the_roster_gives_another(world: World, home: Path) -> None:
    class_of_one = {"students": [{"name": "Ada", "login": "lovelace", "email": "ada@example.org"}]}
    [member] = dstk_runner.load_config(class_of_one).members
    world.result = PlaybookResult(rc=0, stats=published(home, "ada"))
    world.hosts = (host("i-1", f"ada {member['identity']}"),)
    deployment = api.deploy(class_of_one)
    assert (deployment.ok, [notebook.student for notebook in deployment]) == (True, ["ada"])


def test_a_limit_is_passed_on_and_leaves_the_others_out(world: World, home: Path) -> None:
    told = {"ada": {"message": "no", "fix": "do"}}
    world.result = PlaybookResult(rc=2, stats=published(home, "ada", "bob", dstk_failures=told))
    deployment = api.deploy(TWO, limit=["bob"])
    assert ([notebook.student for notebook in deployment], deployment.failures) == (["bob"], ())
    assert world.ran[0][1]["extra_vars"]["dstk_limit"] == ["bob"]


def test_pruning_comes_first_and_says_where_the_work_is(world: World, home: Path) -> None:
    world.hosts = (host("i-1", "ada", "bob", "eve"),)

    def run(name: str, **options: Any) -> PlaybookResult:
        world.ran.append((name, options))
        world.hosts = (host("i-1", "ada", "bob"),)
        return PlaybookResult(rc=0, stats=published(home, "ada", "bob"))

    world.run_playbook = run  # type: ignore[method-assign] # a world that changes
    deployment = api.deploy(TWO, prune=True)
    assert [(name, ran["extra_vars"]["dstk_prune"]) for name, ran in world.ran] == [("prune", True), ("site", False)]
    assert deployment.pruned == {"eve": home / ".local/share/dstk/dstk-ada/archive/eve.tar.gz"}
    assert deployment.gone == {}


def test_pruning_nobody_runs_no_more_than_without(world: World) -> None:
    api.deploy(TWO, prune=True)
    assert [name for name, _ in world.ran] == ["site"]


def test_whoever_could_not_be_archived_stays_and_is_a_failure(world: World, home: Path) -> None:
    world.hosts = (host("i-1", "ada", "bob"), host("i-2", "eve", state="stopped"))
    world.result = PlaybookResult(rc=0, stats=published(home, "ada", "bob"))
    deployment = api.deploy(TWO, prune=True)
    assert [(f.student, f.host, f.stage) for f in deployment.failures] == [("eve", "i-2", "prune")]
    assert (deployment.gone, deployment.pruned) == ({"eve": "i-2"}, {})


def test_a_roster_is_a_keyword(world: World, home: Path) -> None:
    (home / "roster.csv").write_text("login\nada\nbob\n")
    api.deploy(roster="roster.csv")
    assert [row["student"] for row in world.ran[0][1]["extra_vars"]["dstk_class"]] == ["ada", "bob"]
