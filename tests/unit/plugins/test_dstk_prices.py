"""Prices: what the Price List API answers, what is kept of it, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.plugins import load_plugin

prices = load_plugin("module_utils/dstk_prices")


def product(usagetype: str, *tiers: tuple[str, str], **attributes: str) -> str:
    """One product as GetProducts answers it: JSON in a string."""
    dimensions = {str(n): {"beginRange": begin, "pricePerUnit": {"USD": usd}} for n, (begin, usd) in enumerate(tiers)}
    terms = {"OnDemand": {"A.JRTCKXETXF": {"priceDimensions": dimensions}}}
    return json.dumps({"product": {"attributes": {"usagetype": usagetype, **attributes}}, "terms": terms})


def test_an_instance_is_read_with_what_it_has() -> None:
    answer = product("USW2-BoxUsage:c3.large", ("0", "0.1050000000"), vcpu="2", memory="3.75 GiB")
    assert prices.read_products(prices.INSTANCE, [answer]) == (0.105, prices.Kind(2, 3840))


def test_of_tiers_the_first_that_costs_something_is_taken() -> None:
    answer = product("USW2-DataTransfer-Out-Bytes", ("10240", "0.0850000000"), ("0", "0"), ("100", "0.0900000000"))
    assert prices.read_products(prices.TRANSFER, [answer])[0] == 0.09


def test_another_kind_of_snapshot_is_not_taken_for_one() -> None:
    archive = product("EBS:SnapshotArchiveStorage", ("0", "0.0125"))
    assert prices.read_products(prices.SNAPSHOT, [archive]) == (None, None)


@pytest.mark.parametrize("answers", [[], [product("USW2-BoxUsage:t3.medium", ("0", "0.0000000000"))]])
def test_a_price_of_nothing_is_no_price(answers: list[str]) -> None:
    assert prices.read_products(prices.INSTANCE, answers) == (None, None)


def test_what_aws_said_wins_over_the_table_and_bears_its_day() -> None:
    row = {"item": "instance", "instance_type": "t3.medium", "usd": 0.05}
    kept: dict[str, Any] = {"us-west-2": {"date": "2026-11-25", "prices": [row], "kinds": {"x9.huge": [2, 4096]}}}
    found = prices.load_prices(cached=kept)
    told = found.find(prices.INSTANCE, "us-west-2", "t3.medium")
    assert (told.usd, told.source, told.date) == (0.05, "AWS Price List API", "2026-11-25")
    assert found.kinds["x9.huge"] == prices.Kind(2, 4096)


@pytest.mark.parametrize("text", ["", "[]", '{"date": "2026-11-25"}', "no json"])
def test_what_was_kept_and_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path, text: str) -> None:
    file = prices.find_cache(tmp_path, "us-west-2")
    file.parent.mkdir()
    file.write_text(text)
    assert prices.read_cache(tmp_path, "us-west-2") == {}


def test_a_price_bears_the_source_of_its_own_row() -> None:
    found = prices.load_prices()
    assert "SkyPilot" in found.find(prices.INSTANCE, "us-west-2", "t3.medium").source
    assert "cloudkeep" in found.find(prices.GP3, "us-west-2").source


def test_of_a_region_the_families_are_told_that_have_a_price() -> None:
    found = prices.load_prices()
    assert found.find_families("me-south-1") == ["c5", "m5", "m6i", "r5", "t3", "t4g"]
    assert found.find_families("ap-east-2") == []
