"""`dstk cost` as a library and a command, where there is no AWS to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dstk_runner
from dstk_runner import cli
from dstk_runner.checks_cost import check_cost
from dstk_runner.config import load_config
from dstk_runner.errors import ConfigError

CLASS = {"deployment": "csx450", "instance_type": "t3.medium", "students": ["ada", "bob"]}

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has credentials, and no machine of EC2 is asked for any."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def write(home: Path, **keys: Any) -> None:
    (home / "dstk.yml").write_text(json.dumps({**CLASS, **keys}))


def test_without_credentials_the_table_is_taken_and_that_is_said() -> None:
    found = dstk_runner.cost(CLASS)
    assert "no credentials" in found.prices_note
    assert found.ok
    assert found.hosts == {"t3.medium": 2}


def test_the_document_has_the_bills_with_every_price_and_its_source(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home)
    code = cli.run(["cost", "--months", "1", "--json"])
    document = json.loads(capsys.readouterr().out)
    lines = [item for bill in document["bills"] for item in bill["items"]]
    assert (code, document["months"], document["students"]) == (0, 1, 2)
    assert all(item["source"] for item in lines)


def test_the_table_is_shown_to_people(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home)
    assert cli.run(["cost"]) == 0
    shown = capsys.readouterr().out
    assert "csx450: 2 t3.medium for 2 students, 3 months in us-west-2, in USD" in shown
    assert "a smaller type, t3.small" in shown
    assert "undated" in shown


def test_what_to_do_is_said_only_where_a_price_is_not_known() -> None:
    assert dstk_runner.cost(CLASS).advice == ()
    assert dstk_runner.cost({**CLASS, "region": "sa-east-1"}).to_json()["advice"]


def test_what_is_not_known_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home, region="sa-east-1")
    assert cli.run(["cost"]) == 0
    shown = capsys.readouterr().out
    assert "+ and what is not known: t3.medium, on demand; data transfer out" in shown
    assert "no price of t3.medium in sa-east-1; it knows no instance's price there" in shown
    assert "Fix: credentials that allow pricing:GetProducts" in shown


@pytest.mark.parametrize("flag", ["--months", "--hours-a-week", "--transfer"])
def test_an_assumption_of_nothing_is_refused(home: Path, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(home)
    assert cli.run(["cost", flag, "0"]) == 2
    assert flag in capsys.readouterr().err


def test_what_will_be_and_what_was_do_not_go_together(home: Path) -> None:
    write(home)
    assert cli.run(["cost", "--actual", "--months", "1"]) == 2


def test_a_shared_type_that_nobody_knows_is_a_failure_with_a_remedy(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, placement="shared", instance_type="x9.huge")
    assert cli.run(["cost", "--json"]) == 1
    [failure] = json.loads(capsys.readouterr().out)["failures"]
    assert "students_per_host" in failure["fix"]


def test_a_wrong_number_is_an_error_of_the_library_too() -> None:
    with pytest.raises(ConfigError, match="--months"):
        dstk_runner.cost(CLASS, months=-1)


@pytest.mark.parametrize(
    ("keys", "status", "request_"),
    [
        ({"budget": 10}, "fail", True),
        ({"budget": 5000}, "ok", False),
        ({"budget": 5000, "region": "sa-east-1"}, "warn", False),
    ],
)
def test_a_budget_is_judged_before_anything_is_made(keys: dict[str, Any], status: str, request_: bool) -> None:
    checks = {check.name: check for check in check_cost(load_config({**CLASS, **keys}))}
    assert (checks["budget"].status, checks["budget"].request) == (status, request_)


@pytest.mark.parametrize(("email", "warns"), [("", True), ("ada@example.org", False)])
def test_a_budget_without_an_address_is_warned_of(email: str, warns: bool) -> None:
    checks = {check.name: check for check in check_cost(load_config({**CLASS, "budget": 5000, "budget_email": email}))}
    assert ("budget alerts" in checks) is warns


def test_without_a_budget_the_cost_is_only_told() -> None:
    [check] = check_cost(load_config(CLASS))
    assert (check.name, check.status) == ("cost", "ok")
    assert "USD a month left on" in check.message
