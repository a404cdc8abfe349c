"""The Price List API, which moto has not: GetProducts, small and in AWS's own shape, with the prices that dstk ships.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dstk_runner.project import load_prices
from dstk_runner.sandbox.wire import Call, Refusal

TERM, RATE = "JRTCKXETXF", "6YS6EN2CT7"
"""AWS's codes of on demand and of an hourly rate, the same in all its price lists."""


def find_answer(call: Call) -> dict[str, Any] | None:
    """Answer GetProducts; None is for moto."""
    if call.service != "pricing" or call.action != "GetProducts":
        return None
    asked = {}
    for row in call.params.get("Filters", ()):
        if row.get("Type") != "TERM_MATCH":
            raise Refusal("InvalidParameterException", f"The sandbox knows no filter of type {row.get('Type')}.")
        asked[row["Field"]] = row["Value"]
    service = call.params.get("ServiceCode", "")
    found = [product for product in _find_products(service, asked) if _fits(product, asked)]
    return {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product) for product in found]}


def _fits(product: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    told = {**product["product"]["attributes"], "productFamily": product["product"]["productFamily"]}
    return all(told.get(field) == value for field, value in asked.items())


def _find_products(service: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the products of a service in the region that is asked for."""
    known = load_prices()
    prices = known.load_prices()
    region = asked.get("regionCode") or asked.get("fromRegionCode", "")
    if service == "AmazonEC2":
        name = asked.get("instanceType", "")
        kind, usd = prices.kinds.get(name), prices.find(known.INSTANCE, region, name).usd
        if kind and usd:
            own = {"instanceType": name, "vcpu": str(kind.vcpus), "memory": f"{kind.memory_mib / 1024:g} GiB"}
            shared = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
            yield _product("Compute Instance", region, f"BoxUsage:{name}", "Hrs", usd, {**own, **shared})
        yield from _price(prices, known.GP3, region, "Storage", "EBS:VolumeUsage.gp3", {"volumeApiName": "gp3"})
        yield from _price(prices, known.SNAPSHOT, region, "Storage Snapshot", "EBS:SnapshotUsage", {})
    if service == "AmazonVPC":
        group = {"group": "VPCPublicIPv4Address"}
        yield from _price(prices, known.ADDRESS, region, "VpcPublicIPv4Address", "PublicIPv4:InUseAddress", group)
    if service == "AWSDataTransfer":
        out = {"fromRegionCode": region, "transferType": "AWS Outbound"}
        yield from _price(prices, known.TRANSFER, region, "Data Transfer", "DataTransfer-Out-Bytes", out)


def _price(
    prices: Any, item: str, region: str, family: str, usage: str, attributes: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    usd = prices.find(item, region).usd
    if usd:
        yield _product(family, region, usage, "GB-Mo", usd, attributes)


def _product(
    family: str, region: str, usage: str, unit: str, usd: float, attributes: Mapping[str, str]
) -> dict[str, Any]:
    sku = f"SANDBOX{abs(hash((region, usage))) % 10**9:09}"
    tier = {
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${usd} per {unit} {usage}",
        "rateCode": f"{sku}.{TERM}.{RATE}",
        "appliesTo": [],
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    term = {"sku": sku, "offerTermCode": TERM, "termAttributes": {}, "priceDimensions": {tier["rateCode"]: tier}}
    told = {"regionCode": region, "usagetype": usage, "servicecode": "", **attributes}
    return {
        "product": {"productFamily": family, "sku": sku, "attributes": told},
        "terms": {"OnDemand": {f"{sku}.{TERM}": term}},
        "version": "sandbox",
    }
