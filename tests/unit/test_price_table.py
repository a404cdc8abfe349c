"""The table of prices that comes with dstk, and the script that makes it."""

from __future__ import annotations

import csv
import datetime
import re
from collections import defaultdict
from pathlib import Path

import pytest

from support.environment import ROOT
from support.plugins import load_file

FOLDER = ROOT / "src" / "dstk_runner" / "prices"
PAGE = (ROOT / "docs" / "cost.md").read_text()


tool = load_file(ROOT / "tools" / "price_table.py", "price_table")


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


TABLE = read(FOLDER, "instances.csv")


def zone(zone: str, spot: str = "", price: str = "0.0416", **columns: str) -> dict[str, str]:
    """A row of the catalog, as far as the script reads it."""
    return {
        "InstanceType": "t3.medium",
        "vCPUs": "2.0",
        "MemoryGiB": "4.0",
        "Price": price,
        "SpotPrice": spot,
        "Region": "us-west-2",
        "AvailabilityZone": zone,
        **columns,
    }


def test_spot_is_the_dearest_of_a_regions_own_zones() -> None:
    zones = [zone("usw2-az1", "0.022100"), zone("usw2-az2", "0.020400"), zone("usw2-lax1-az1", "0.9")]
    expected = ["t3.medium", "2", "4096", "us-west-2", "0.0416", "0.0221", "catalog"]
    assert tool.read_instances(zones) == [expected]
    assert dict(zip(tool.HEADER, expected, strict=True)) in TABLE


def test_a_rounded_price_on_spot_is_not_dearer_than_on_demand() -> None:
    [row] = tool.read_instances([zone("apse4-az1", "0.116600", "0.11655"), zone("apse4-az3", "0.041800", "0.11655")])
    assert row[4:6] == ["0.11655", "0.11655"]


@pytest.mark.parametrize("columns", [{"InstanceType": "p5.48xlarge"}, {"Region": "cn-north-1"}, {"Price": ""}])
def test_what_is_not_usual_or_has_no_price_is_left_out(columns: dict[str, str]) -> None:
    assert tool.read_instances([{**zone("usw2-az1"), **columns}]) == []


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of two rows, in place of the one that is shipped."""
    monkeypatch.setattr(tool, "PRICES", tmp_path)
    rows = [
        ["m5.large", "2", "8192", "us-west-2", "0.096", "", "catalog"],
        ["t4g.micro", "2", "1024", "us-east-1", "0.0084", "", "catalog"],
    ]
    tool.write("instances.csv", tool.HEADER, rows)
    return tmp_path


def make(table: Path, *arguments: str, rows: list[dict[str, str]]) -> dict[tuple[str, str], str]:
    """Run the script for some rows of the catalog; answer who says which price."""
    with (table / "vms.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, zone("").keys())
        writer.writeheader()
        writer.writerows(rows)
    tool.main([*arguments, "--catalog", str(table / "vms.csv")])
    return {(row["instance_type"], row["region"]): row["source"] for row in read(table, "instances.csv")}


def test_a_part_of_the_catalog_is_added_to_what_is_there(table: Path) -> None:
    made = make(table, "--add", rows=[zone("usw2-az1")])
    assert set(made) == {("m5.large", "us-west-2"), ("t3.medium", "us-west-2"), ("t4g.micro", "us-east-1")}
    assert made == make(table, "--add", rows=[zone("usw2-az1")])


def test_the_whole_catalog_replaces_what_is_there(table: Path) -> None:
    assert set(make(table, rows=[zone("usw2-az1")])) == {("t3.medium", "us-west-2")}


def test_every_price_has_a_source_with_a_day() -> None:
    days = {row["key"]: datetime.date.fromisoformat(row["date"]) for row in read(FOLDER, "sources.csv")}
    assert {row["source"] for row in TABLE} <= set(days)
    assert [(row["key"], row["source"], row["date"]) for row in read(FOLDER, "sources.csv")] == list(tool.SOURCES)


def test_no_price_is_nothing_and_spot_is_not_dearer_than_on_demand() -> None:
    for row in TABLE:
        usd = float(row["on_demand"])
        assert 0 < float(row["spot"] or usd) <= usd, row


def test_a_type_stands_once_a_region_and_has_the_same_everywhere() -> None:
    assert len({(row["instance_type"], row["region"]) for row in TABLE}) == len(TABLE)
    kinds = {(row["instance_type"], row["vcpus"], row["memory_mib"]) for row in TABLE}
    assert len(kinds) == len({name for name, *_ in kinds})


def test_twice_the_size_costs_twice_as_much() -> None:
    """AWS's own rule, but for rounding: a slip of the hand would break it, and so would another tenancy."""
    parts: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in TABLE:
        family, _, size = row["instance_type"].partition(".")
        times = int(re.sub(r"\D", "", size) or 1) * 8.0
        part = {"micro": 0.5, "small": 1.0, "medium": 2.0, "large": 4.0}.get(size, times)
        parts[family, row["region"]][size] = float(row["on_demand"]) / part
    assert {place: known for place, known in parts.items() if max(known.values()) > min(known.values()) * 1.02} == {}


def find_regions(words: str) -> set[str]:
    """The regions that the page names after some words, to the end of the sentence."""
    return set(re.findall(r"`([a-z]+-[a-z]+-\d)`", PAGE.partition(words)[2].partition(".\n")[0].partition(". ")[0]))


def test_the_page_names_the_regions_that_the_table_lacks() -> None:
    lacking = find_regions("has no instances of")
    assert lacking
    assert not lacking & {row["region"] for row in TABLE}


def test_the_page_names_the_regions_whose_disks_have_no_price() -> None:
    with_disks = {row["region"] for row in read(FOLDER, "storage.csv")}
    assert find_regions("it lacks gp3 in") == {row["region"] for row in TABLE} - with_disks
