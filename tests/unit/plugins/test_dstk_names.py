from __future__ import annotations

from typing import Any

import pytest

from support.plugins import Load

OWNER = '"heritage=dstk,dstk/deployment=csx450"'


def record(name: str, kind: str, value: str, ttl: int = 60) -> dict[str, Any]:
    return {"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def ours(student: str, address: str) -> list[dict[str, Any]]:
    name = f"{student}.example.org"
    return [record(name, "A", address), record(name, "TXT", OWNER)]


@pytest.fixture
def names(load: Load) -> Any:
    return load("module_utils/dstk_names")


def plan(names: Any, records: list[dict[str, Any]], **wanted: str) -> Any:
    return names.plan_names(records, wanted, domain="example.org", deployment="csx450")


def remove(names: Any, records: list[dict[str, Any]], **more: Any) -> list[str]:
    return list(names.named(names.plan_removal(records, domain="example.org", deployment="csx450", **more)))


@pytest.mark.parametrize(
    ("domain", "zone"),
    [("nb.example.org", "nb.example.org."), ("x.example.org", "example.org."), ("badexample.org", None)],
)
def test_the_nearest_zone_is_taken(names: Any, domain: str, zone: str | None) -> None:
    zones = [{"Name": "example.org."}, {"Name": "nb.example.org."}, {"Name": "org.uk."}]
    assert (names.find_zone(zones, domain) or {}).get("Name") == zone


def test_a_private_zone_is_none(names: Any) -> None:
    assert names.find_zone([{"Name": "example.org.", "Config": {"PrivateZone": True}}], "example.org") is None


def test_a_new_name_comes_with_its_owner(names: Any) -> None:
    changes, foreign = plan(names, [], ada="203.0.113.7")
    assert ([change["ResourceRecordSet"] for change in changes], foreign) == (ours("ada", "203.0.113.7"), [])


def test_a_name_that_is_right_is_left(names: Any) -> None:
    assert plan(names, ours("ada", "203.0.113.7"), ada="203.0.113.7") == ([], [])


def test_a_name_follows_its_address(names: Any) -> None:
    changes, _ = plan(names, ours("ada", "203.0.113.7"), ada="203.0.113.8")
    assert {change["Action"] for change in changes} == {"UPSERT"}


@pytest.mark.parametrize(
    "there",
    [
        record("ada.example.org", "A", "192.0.2.1"),
        record("ada.example.org", "CNAME", "elsewhere.example.org"),
        record("ada.example.org", "TXT", OWNER.replace("csx450", "another")),
    ],
)
def test_a_name_of_somebody_else_is_left_and_told(names: Any, there: dict[str, Any]) -> None:
    assert plan(names, [there], ada="203.0.113.7") == ([], ["ada"])


def test_all_of_the_deployment_can_go(names: Any) -> None:
    others = [record("www.example.org", "A", "192.0.2.1"), record("ada.example.org", "MX", "1 mail.example.org")]
    records = [*ours("ada", "203.0.113.7"), *ours("bob", "203.0.113.8"), *others]
    assert remove(names, records) == ["ada.example.org", "bob.example.org"]


def test_one_student_can_go(names: Any) -> None:
    records = [*ours("ada", "203.0.113.7"), *ours("bob", "203.0.113.8")]
    assert remove(names, records, students=["bob"]) == ["bob.example.org"]


def test_a_call_takes_no_more_than_aws_allows(names: Any) -> None:
    changes, _ = plan(names, [], **{f"student{number:03d}": "203.0.113.7" for number in range(400)})
    parts = list(names.batches(changes))
    sizes = [2 * sum(len(c["ResourceRecordSet"]["ResourceRecords"][0]["Value"]) for c in part) for part in parts]
    assert ([len(part) for part in parts], max(sizes) < 32000) == ([300, 300, 200], True)
