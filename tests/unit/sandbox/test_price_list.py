"""The sandbox's Price List API answers what dstk asks, in the shape that dstk reads."""

from __future__ import annotations

from typing import Any

import pytest

from dstk_runner.project import load_prices
from dstk_runner.sandbox.price_list import find_answer
from dstk_runner.sandbox.wire import Call, Refusal

prices = load_prices()
TABLE = prices.load_prices()


def ask(item: str, region: str = "us-west-2", name: str = "") -> list[str]:
    service, fields = prices.ask_for(item, region, name)
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    params: dict[str, Any] = {"ServiceCode": service, "Filters": filters}
    answer = find_answer(Call("pricing", "us-east-1", "GetProducts", "json", None, params))
    assert answer is not None
    found: list[str] = answer["PriceList"]
    return found


@pytest.mark.parametrize("item", [prices.GP3, prices.SNAPSHOT, prices.ADDRESS, prices.TRANSFER])
def test_each_item_has_the_price_of_the_table(item: str) -> None:
    assert prices.read_products(item, ask(item))[0] == TABLE.find(item, "us-west-2").usd


def test_an_instance_has_its_price_and_what_it_has() -> None:
    found = prices.read_products(prices.INSTANCE, ask(prices.INSTANCE, name="t3.medium"))
    assert found == (0.0416, prices.Kind(2, 4096))


@pytest.mark.parametrize(
    ("item", "region", "name"), [("instance", "us-west-2", "x9.huge"), ("gp3", "mx-central-1", "")]
)
def test_what_it_does_not_know_is_an_empty_list(item: str, region: str, name: str) -> None:
    assert ask(item, region, name) == []


def test_a_filter_of_another_kind_is_refused() -> None:
    params = {"Filters": [{"Type": "CONTAINS", "Field": "instanceType", "Value": "t3"}]}
    with pytest.raises(Refusal):
        find_answer(Call("pricing", "us-east-1", "GetProducts", "json", None, params))


def test_other_calls_are_for_moto() -> None:
    assert find_answer(Call("pricing", "us-east-1", "DescribeServices", "json", None)) is None
