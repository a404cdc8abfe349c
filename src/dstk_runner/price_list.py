"""The AWS Price List API: asked where credentials allow, and its answers kept for a week."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from dstk_runner.aws import ask_all, find_code, has_credentials, make_client
from dstk_runner.project import load_prices

__all__ = ["find_prices"]

HOME = "us-east-1"
"""The API answers in few regions, for all of them.
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html"""
KEPT_DAYS = 7


def find_prices(state_dir: Path, region: str, types: Iterable[str], *, ask: bool = True) -> tuple[Any, str]:
    """Return the prices that are known, and why they are not AWS's own of today, where they are not.

    Nothing here fails a run: what AWS does not answer comes from the table.

    Args:
        state_dir: where answers are kept, for all deployments.
        region: whose prices.
        types: the instance types that have to be known.
        ask: whether AWS may be asked where what is kept lacks a type, or is old.
    """
    prices = load_prices()
    kept = prices.read_cache(state_dir, region)
    wanted = set(types)
    reason = ""
    if ask and _is_poor(kept.get(region), wanted):
        found, reason = _ask(region, wanted | _find_types(kept.get(region)))
        if found["prices"]:
            kept = {region: found}
            _keep(prices.find_cache(state_dir, region), found)
    return prices.load_prices(cached=kept), reason


def _find_types(kept: Any) -> set[str]:
    return {row["instance_type"] for row in kept["prices"] if row["instance_type"]} if kept else set()


def _is_poor(kept: Any, wanted: set[str]) -> bool:
    if not kept or not wanted <= _find_types(kept):
        return True
    try:
        return (datetime.now(UTC).date() - date.fromisoformat(kept["date"])).days >= KEPT_DAYS
    except ValueError:
        return True


def _ask(region: str, types: set[str]) -> tuple[dict[str, Any], str]:
    """Ask for all at once; the answer is as it is kept, with the reason of the first that failed."""
    prices = load_prices()
    asked = [*((prices.INSTANCE, name) for name in sorted(types)), *((item, "") for item in prices.QUESTIONS)]
    empty = {"date": datetime.now(UTC).date().isoformat(), "prices": [], "kinds": {}}
    try:
        client = make_client("pricing", HOME)
        if not has_credentials():
            return empty, "there are no credentials to ask the AWS Price List API with"
    except Exception as error:
        return empty, f"the AWS Price List API cannot be asked ({find_code(error)})"
    answers = ask_all(partial(_ask_for, client, item, region, name) for item, name in asked)
    rows, kinds = [], {}
    for (item, name), (usd, kind, _) in zip(asked, answers, strict=True):
        if usd is not None:
            rows.append({"item": item, "instance_type": name, "usd": usd})
        if kind is not None:
            kinds[name] = [kind.vcpus, kind.memory_mib]
    codes = list(dict.fromkeys(code for _, _, code in answers if code))
    reason = f"the AWS Price List API did not answer ({codes[0]})" if codes else ""
    return {**empty, "prices": rows, "kinds": kinds}, reason


def _ask_for(client: Any, item: str, region: str, name: str) -> tuple[float | None, Any, str]:
    """Ask for one item; the last of the answer is the code of what went wrong."""
    prices = load_prices()
    service, fields = prices.ask_for(item, region, name)
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in fields.items()]
    try:
        pages = client.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters)
        products = [product for page in pages for product in page["PriceList"]]
    except Exception as error:
        return None, None, find_code(error)
    return (*prices.read_products(item, products), "")


def _keep(file: Path, found: dict[str, Any]) -> None:
    """Keep an answer; that there is no room for it is no reason to fail."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    except OSError:
        return
