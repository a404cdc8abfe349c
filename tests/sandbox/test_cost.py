"""What it costs, asked of the sandbox's AWS; and a plan beyond its budget, through every door."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import sandbox
from support.environment import BIN, ROOT
from support.place import DEPLOYMENT, Place, opened

CLASS = {"deployment": DEPLOYMENT, "students": ["ada", "bob"], "instance_type": "t3.medium"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield found


def ask(place: Place, *words: str, **keys: Any) -> tuple[int, dict[str, Any]]:
    """Run a command as JSON with a file of these keys; the exit code and the document."""
    file = place.folder / "dstk.yml"
    file.write_text(json.dumps({**CLASS, **keys}))
    command = [str(BIN / "dstk"), *words, "--json", "--config", str(file)]
    done = subprocess.run(command, cwd=ROOT, env=place.environment, capture_output=True, text=True, timeout=300)
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document


def forget_prices(place: Place) -> None:
    for file in Path(place.environment["HOME"]).rglob("prices/*.json"):
        file.unlink()


def test_prices_are_asked_of_aws_once_and_kept(place: Place) -> None:
    forget_prices(place)
    code, document = ask(place, "cost")
    asked = place.calls("GetProducts")
    again = ask(place, "cost")[1]
    assert (code, asked > 0, place.calls("GetProducts")) == (0, True, asked)
    assert {source["source"] for source in document["sources"]} == {"AWS Price List API"}
    assert again == document
    assert [bill["name"] for bill in document["bills"]] == ["left on", "idle stop"]


def test_where_aws_does_not_answer_the_table_does_and_says_so(place: Place) -> None:
    forget_prices(place)
    place.inject("GetProducts", "unauthorized", count=100)
    code, document = ask(place, "cost")
    assert code == 0
    assert "did not answer" in document["prices_note"]
    assert "AWS Price List API" not in {source["source"] for source in document["sources"]}
    assert not any(bill["unknown"] for bill in document["bills"])


@pytest.mark.parametrize("command", [("plan",), ("up", "--yes")])
def test_a_plan_beyond_its_budget_is_refused_and_nothing_touched(place: Place, command: tuple[str, ...]) -> None:
    code, document = ask(place, *command, budget=20)
    [failure] = document["failures"]
    assert (code, failure["stage"]) == (2, "request")
    assert "the budget is 20.00" in failure["message"]
    assert set(place.count().values()) == {0}


@pytest.mark.parametrize("playbook", ["plan", "site"])
def test_plain_ansible_refuses_it_too(place: Place, playbook: str) -> None:
    (place.folder / "dstk.yml").write_text(json.dumps({**CLASS, "budget": 20}))
    code, output = place.run(playbook, "-e", f"dstk_config={place.folder / 'dstk.yml'}")
    assert (code, "the budget is 20.00" in output) == (2, True), output
    assert set(place.count().values()) == {0}


def test_the_playbook_says_what_the_command_says(place: Place) -> None:
    file = place.folder / "dstk.yml"
    document = ask(place, "cost", "--months", "1")[1]
    output = place.ensure("cost", "-e", f"dstk_config={file}", "-e", "dstk_months=1")
    for bill in document["bills"]:
        assert f"{bill['name']}: {bill['total']}" in output


def test_what_is_there_is_billed_since_it_was_made(place: Place) -> None:
    sandbox.clear_faults(directory=place.folder)
    file = place.folder / "dstk.yml"
    file.write_text(json.dumps(CLASS))
    place.ensure("provision", "-e", f"dstk_config={file}")
    try:
        code, document = ask(place, "cost", "--actual")
        told = place.ensure("cost", "-e", f"dstk_config={file}", "-e", "dstk_actual=true")
    finally:
        place.end_instances()
    names = [item["name"] for item in document["items"]]
    assert code == 0
    assert sum(", t3.medium" in name for name in names) == sum("public IPv4" in name for name in names) == 2
    assert sum("GB gp3" in name for name in names) >= 2
    assert document["billed"] is None
    assert any("cost allocation tag" in note for note in document["notes"])
    assert document["at_least"] <= document["at_most"]
    # plain Ansible says the same in YAML; a cent may have passed between the two
    said = " ".join(told.split()).replace("''", "'")
    for line in (*names, *document["notes"], f"since: '{document['since']}'"):
        assert line in said, told


@pytest.mark.parametrize(("playbook", "asked"), [("extend", "dstk_by=90d"), ("resize", "dstk_type=m7i.2xlarge")])
def test_where_there_is_no_host_that_is_said_and_not_what_it_would_cost(
    place: Place, playbook: str, asked: str
) -> None:
    sandbox.clear_faults(directory=place.folder)
    write_week(place, budget=1)
    code, output = place.run(playbook, "-e", f"dstk_config={place.folder / 'dstk.yml'}", "-e", asked)
    said = " ".join(output.lower().split())
    assert (code, f"no instance carries the tag dstk:deployment={DEPLOYMENT}" in said) == (2, True), output
    assert "the budget is" not in said


@pytest.fixture(scope="module")
def there(place: Place) -> Iterator[Place]:
    """A class for a week, of which nothing that is refused changes anything."""
    sandbox.clear_faults(directory=place.folder)
    write_week(place)
    place.ensure("provision", "-e", f"dstk_config={place.folder / 'dstk.yml'}")
    yield place
    place.end_instances()


def write_week(place: Place, **keys: Any) -> None:
    (place.folder / "dstk.yml").write_text(json.dumps({**CLASS, "lease": 7, "budget": 40, **keys}))


def find_hosts(place: Place) -> list[tuple[str, str, list[str]]]:
    """Type, state and end of each host."""
    return [
        (
            item["InstanceType"],
            item["State"]["Name"],
            [tag["Value"] for tag in item["Tags"] if tag["Key"] == "dstk:until"],
        )
        for item in place.instances()
    ]


@pytest.mark.parametrize(
    ("playbook", "asked"),
    [("extend", "dstk_by=90d"), ("extend", "dstk_until=2099-01-01"), ("resize", "dstk_type=m7i.2xlarge")],
)
def test_what_would_cost_more_than_the_budget_is_refused_and_nothing_changed(
    there: Place, playbook: str, asked: str
) -> None:
    before = find_hosts(there)
    code, output = there.run(playbook, "-e", f"dstk_config={there.folder / 'dstk.yml'}", "-e", asked)
    assert (code, "the budget is 40.00" in output) == (2, True), output
    assert find_hosts(there) == before
    assert {(kind, state) for kind, state, _ in before} == {("t3.medium", "running")}


@pytest.mark.parametrize("words", [("extend", "--by", "90d"), ("resize", "--type", "m7i.2xlarge")])
def test_the_command_refuses_it_too(there: Place, words: tuple[str, ...]) -> None:
    before = find_hosts(there)
    code, document = ask(there, *words, "--yes", lease=7, budget=40)
    assert code == 1
    assert any("the budget is 40.00" in failure["message"] for failure in document["failures"]), document
    assert all("budget: " in failure["fix"] for failure in document["failures"]), document
    assert find_hosts(there) == before


def test_what_the_budget_has_room_for_is_done(there: Place) -> None:
    write_week(there)
    before = find_hosts(there)
    there.ensure("extend", "-e", f"dstk_config={there.folder / 'dstk.yml'}", "-e", "dstk_by=2d")
    assert find_hosts(there) != before


def test_hosts_that_stay_as_they_are_cost_what_they_cost(there: Place) -> None:
    write_week(there, budget=23)
    before = find_hosts(there)
    asked = json.dumps({"dstk_type": "t3.large", "dstk_limit": ["ada"]})
    code, output = there.run("resize", "-e", f"dstk_config={there.folder / 'dstk.yml'}", "-e", asked)
    assert (code, "the budget is 23.00" in output) == (2, True), output
    assert find_hosts(there) == before


def test_hosts_that_shall_end_later_are_those_that_are_there(there: Place) -> None:
    write_week(there, instance_type="t3.micro", budget=20)
    before = find_hosts(there)
    code, output = there.run("extend", "-e", f"dstk_config={there.folder / 'dstk.yml'}", "-e", "dstk_by=2d")
    assert (code, "the budget is 20.00" in output) == (2, True), output
    assert find_hosts(there) == before


def find_kinds(place: Place) -> list[tuple[str, str]]:
    return [(kind, state) for kind, state, _ in find_hosts(place)]


def test_what_is_stopped_starts_whatever_the_file_would_cost(there: Place) -> None:
    write_week(there, instance_type="m7i.2xlarge")
    there.ensure("stop", "-e", f"dstk_config={there.folder / 'dstk.yml'}")
    assert {state for _, state in find_kinds(there)} == {"stopped"}
    # they boot nothing, so that the run ends with them
    output = there.run("start", "-e", f"dstk_config={there.folder / 'dstk.yml'}")[1]
    assert "the budget is" not in output
    assert find_kinds(there) == [("t3.medium", "running")] * 2, output


def test_who_would_get_a_host_of_the_file_is_judged_by_the_file(there: Place) -> None:
    write_week(there, students=["ada", "bob", "eve"], instance_type="m7i.2xlarge")
    asked = json.dumps({"dstk_limit": ["ada", "eve"]})
    code, output = there.run("start", "-e", f"dstk_config={there.folder / 'dstk.yml'}", "-e", asked)
    assert (code, "the budget is 40.00" in output) == (2, True), output
    assert len(there.instances()) == 2


def test_a_smaller_type_goes_through_beyond_the_budget_and_the_hosts_run(there: Place) -> None:
    write_week(there, budget=1)
    output = there.run("resize", "-e", f"dstk_config={there.folder / 'dstk.yml'}", "-e", "dstk_type=t3.small")[1]
    assert "the budget is" not in output
    assert find_kinds(there) == [("t3.small", "running")] * 2, output
