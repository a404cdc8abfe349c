"""What the role machine_image tells people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Filters = dict[str, Callable[..., Any]]
PRICE = {"usd": 0.05, "source": "the table", "date": "2026-01-01"}
UNKNOWN = {"usd": None, "source": "", "date": ""}


def find_now(usd_month: float | None, **removed: list[str]) -> dict[str, Any]:
    image = {"image_id": "ami-9", "name": "image 9", "state": "available", "size": 30, "usd_month": usd_month}
    return {"images": [image], "removed": [], "removed_snapshots": [], **removed}


def test_an_image_is_told_with_its_price_and_where_that_is_from(machine_image: Filters) -> None:
    first, last = machine_image["machine_image_lines"](find_now(1.5), PRICE)
    assert "at most 1.50 USD a month" in first
    assert "the table, 2026-01-01" in last


def test_a_price_that_is_not_known_is_told_as_not_known(machine_image: Filters) -> None:
    [line] = machine_image["machine_image_lines"](find_now(None), UNKNOWN)
    assert "not known" in line


@pytest.mark.parametrize("removed", [{"removed": ["ami-8"]}, {"removed_snapshots": ["snap-3"]}])
def test_what_was_removed_is_told(machine_image: Filters, removed: dict[str, list[str]]) -> None:
    [[gone]] = removed.values()
    lines = machine_image["machine_image_lines"](find_now(1.5, **removed), PRICE)
    assert any(line.startswith(gone) for line in lines)
