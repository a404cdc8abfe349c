from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dstk_runner
from dstk_runner import api
from dstk_runner.errors import ConfigError, RunError
from dstk_runner.playbooks import PlaybookResult
from dstk_runner.results import Change, Check, Failure, Resource

VPC = Resource(kind="vpc", id="vpc-1")
INSTANCE = Resource(kind="instance", id="i-1", state="running", billed=True)


class World:
    """What AWS, the checks and Ansible would answer; `ran` is what Ansible was asked."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.found: list[tuple[Resource, ...]] = [()]
        self.result = PlaybookResult(rc=0, hosts=frozenset({"localhost"}))
        self.ran: list[tuple[str, dict[str, Any]]] = []

    def find_resources(self, **_: str) -> tuple[Resource, ...]:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    def run_checks(self, _: Any, **__: bool) -> tuple[Check, ...]:
        return tuple(self.checks)

    def run_playbook(self, name: str, **options: Any) -> PlaybookResult:
        self.ran.append((name, options))
        return self.result


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr("dstk_runner.resources.find_resources", world.find_resources)
    monkeypatch.setattr("dstk_runner.checks.run_checks", world.run_checks)
    monkeypatch.setattr("dstk_runner.playbooks.run_playbook", world.run_playbook)
    return world


def notebook(folder: Path, *, state: str = "ready") -> dict[str, dict[str, str]]:
    (folder / "password").write_text("open sesame\n")
    values = {"student": "ada", "url": "http://a/lab", "instance_id": "i-1", "address": "a", "container": "dstk-ada"}
    return {"i-1": {**values, "state": state, "password_file": str(folder / "password")}}


def test_the_public_names_are_few_and_there() -> None:
    assert len(dstk_runner.__all__) <= 20
    assert all(hasattr(dstk_runner, name) for name in dstk_runner.__all__)


def test_a_deployment_holds_the_notebooks_with_their_passwords(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, hosts=frozenset({"i-1"}), stats={"dstk_notebooks": notebook(home)})
    deployment = api.deploy()
    assert [(book.student, book.password) for book in deployment.notebooks] == [("ada", "open sesame")]
    assert deployment.ok


def test_the_document_has_the_keys_of_the_design_in_their_order(world: World, home: Path) -> None:
    world.result = PlaybookResult(
        rc=2, stats={"dstk_notebooks": notebook(home)}, failures=(Failure(message="no", host="i-1"),)
    )
    document = api.deploy().to_json()
    assert list(document) == ["deployment", "region", "ok", "notebooks", "failures"]
    assert list(document["notebooks"][0]) == [
        *("student", "url", "password", "instance_id", "address", "state", "container")
    ]
    assert list(document["failures"][0]) == ["host", "student", "stage", "task", "message", "fix"]


def test_a_failure_knows_its_student_and_always_has_a_remedy(world: World, home: Path) -> None:
    world.result = PlaybookResult(
        rc=2, stats={"dstk_notebooks": notebook(home)}, failures=(Failure(message="no", host="i-1"),)
    )
    [failure] = api.deploy().failures
    assert failure.student == "ada"
    assert "-up.log" in failure.fix


def test_a_password_never_stands_in_a_representation(world: World, home: Path) -> None:
    world.result = PlaybookResult(rc=0, stats={"dstk_notebooks": notebook(home)})
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
    assert api.deploy().ok


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
    world.found = [(INSTANCE,)]
    world.result = PlaybookResult(rc=0, stats={"dstk_notebooks": notebook(home, state=state)})
    assert api.status().ok is ok


def test_a_plan_is_made_in_check_mode(world: World) -> None:
    world.result = PlaybookResult(rc=0, changes=(Change(host="localhost", task="The VPC is there"),))
    assert [change.task for change in api.plan().changes] == ["The VPC is there"]
    assert [(name, ran["check"]) for name, ran in world.ran] == [("plan", True)]


def test_a_receipt_tells_what_is_gone_from_what_is_left(world: World) -> None:
    world.found = [(INSTANCE, VPC), (VPC,)]
    world.result = PlaybookResult(rc=2, failures=(Failure(message="in use"),))
    receipt = api.destroy()
    assert (receipt.gone, receipt.left) == ((INSTANCE,), (VPC,))


def test_what_costs_money_and_is_left_makes_a_bad_receipt(world: World) -> None:
    world.found = [(INSTANCE, VPC), (INSTANCE,)]
    world.result = PlaybookResult(rc=2)
    assert not api.destroy().ok


def test_what_costs_nothing_and_is_left_does_not(world: World) -> None:
    world.found = [(INSTANCE, VPC), (VPC,)]
    world.result = PlaybookResult(rc=2)
    assert api.destroy().ok


def test_answers_that_lag_behind_are_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    world.found = [(INSTANCE,), (INSTANCE,), ()]
    assert api.destroy().left == ()


def test_destroying_nothing_runs_nothing(world: World) -> None:
    assert (api.destroy().ok, world.ran) == (True, [])


def test_destroying_forgets_the_passwords(world: World, home: Path) -> None:
    passwords = home / ".local/share/dstk/dstk-ada/passwords"
    passwords.mkdir(parents=True)
    (passwords / "ada").write_text("open sesame")
    world.found = [(INSTANCE,), ()]
    api.destroy()
    assert list(passwords.iterdir()) == []


def test_logs_come_by_host_and_by_log(world: World) -> None:
    world.found = [(INSTANCE,)]
    world.result = PlaybookResult(rc=0, stats={"dstk_logs": {"i-1": {"container": ["hello"], "pull": []}}})
    logs = api.read_logs(lines=7)
    assert logs.hosts == {"i-1": {"container": ("hello",), "pull": ()}}
    assert world.ran[0][1]["extra_vars"]["jupyter_container_log_lines"] == 7


def test_an_error_without_mistakes_is_one_failure() -> None:
    [failure] = api.explain_failure(RunError("it broke", "mend it"), stage="dstk")
    assert (failure.message, failure.fix) == ("it broke", "mend it")
