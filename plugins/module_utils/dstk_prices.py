"""What things cost in AWS: a table that comes with dstk, and what the Price List API answered. Pure; standard library.

Every price bears its source and the day that it was true. What is not known is None: never guessed, never 0.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INSTANCE, SPOT, GP3, SNAPSHOT, ADDRESS, TRANSFER = "instance", "spot", "gp3", "snapshot", "ipv4", "transfer"
"""By the hour: instance, spot, ipv4. By the GB and month: gp3, snapshot. By the GB: transfer."""
API = "AWS Price List API"
EVERYWHERE = "*"
_OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-iso", "eusc-")
SIZES = ("nano", "micro", "small", "medium", "large", "xlarge", *(f"{n}xlarge" for n in (2, 4, 8, 12, 16, 24, 32, 48)))


@dataclass(frozen=True)
class Price:
    """USD, where they were read, and the day (ISO 8601) from which on they are known to be true."""

    usd: float | None = None
    source: str = ""
    date: str = ""


@dataclass(frozen=True)
class Kind:
    """What an instance type has."""

    vcpus: int
    memory_mib: int


@dataclass
class Prices:
    """Prices by item, region and instance type (empty where an item has none)."""

    rows: dict[tuple[str, str, str], Price] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)

    def find(self, item: str, region: str, instance_type: str = "") -> Price:
        """Answer a price; one without a figure where it is not known."""
        everywhere = None if region.startswith(_OTHER_PARTITIONS) else self.rows.get((item, EVERYWHERE, ""))
        return self.rows.get((item, region, instance_type)) or everywhere or Price()

    def find_family(self, instance_type: str, region: str) -> list[str]:
        """Answer the types of a type's family that have a price here, the smallest first."""
        family = f"{instance_type.partition('.')[0]}."
        known = {name for item, place, name in self.rows if item == INSTANCE and place == region}
        return [family + size for size in SIZES if family + size in known]

    def find_families(self, region: str) -> list[str]:
        """Answer the families of which a type has a price here."""
        return sorted(
            {name.partition(".")[0] for item, place, name in self.rows if (item, place) == (INSTANCE, region)}
        )

    def find_neighbours(self, instance_type: str, region: str) -> tuple[str, str]:
        """Answer the next smaller and the next larger type that have a price here; empty where there is none."""
        family = self.find_family(instance_type, region)
        if instance_type not in family:
            return "", ""
        place = family.index(instance_type)
        return family[place - 1] if place else "", family[place + 1] if place + 1 < len(family) else ""


def find_folder() -> Path:
    """Answer the folder with the table: of the checkout, or of the installed package around the playbooks."""
    project = Path(__file__).resolve().parents[2]
    checkout = project / "src" / "dstk_runner" / "prices"
    return checkout if checkout.is_dir() else project.parent / "prices"


def load_prices(folder: Path | None = None, *, cached: Mapping[str, Any] | None = None) -> Prices:
    """Answer all prices: those of the table, and over them those of the Price List API, as they were kept."""
    place = folder or find_folder()
    origin = {row["key"]: (row["source"], row["date"]) for row in _read(place / "sources.csv")}
    prices = Prices()
    for row in _read(place / "instances.csv"):
        prices.kinds[row["instance_type"]] = Kind(int(row["vcpus"]), int(row["memory_mib"]))
        for item, column in ((INSTANCE, "on_demand"), (SPOT, "spot")):
            if row[column]:
                key = item, row["region"], row["instance_type"]
                prices.rows[key] = Price(float(row[column]), *origin[row["source"]])
    for row in _read(place / "storage.csv"):
        prices.rows[row["item"], row["region"], ""] = Price(float(row["usd"]), *origin["storage"])
    for row in _read(place / "others.csv"):
        prices.rows[row["item"], row["region"], ""] = Price(float(row["usd"]), row["source"], row["date"])
    for region, kept in (cached or {}).items():
        for row in kept["prices"]:
            price = Price(float(row["usd"]), API, kept["date"])
            prices.rows[row["item"], region, row["instance_type"]] = price
        for name, kind in kept["kinds"].items():
            prices.kinds[name] = Kind(*kind)
    return prices


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def find_cache(state_dir: str | Path, region: str) -> Path:
    """Answer the file in which the Price List API's answers for a region are kept."""
    return Path(state_dir) / "prices" / f"{region}.json"


def read_cache(state_dir: str | Path, region: str) -> dict[str, Any]:
    """Answer what is kept of a region, by the region; nothing where nothing is, or it cannot be read."""
    try:
        kept = json.loads(find_cache(state_dir, region).read_text(encoding="utf-8"))
        known = {"date": str(kept["date"]), "prices": list(kept["prices"]), "kinds": dict(kept["kinds"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {region: known}


QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    GP3: ("AmazonEC2", {"productFamily": "Storage", "volumeApiName": "gp3"}),
    SNAPSHOT: ("AmazonEC2", {"productFamily": "Storage Snapshot"}),
    ADDRESS: ("AmazonVPC", {"group": "VPCPublicIPv4Address"}),
    TRANSFER: ("AWSDataTransfer", {"transferType": "AWS Outbound"}),
}
"""Service and filters of GetProducts by which each item but an instance is asked for; the region comes to them."""
_USAGE = {SNAPSHOT: "EBS:SnapshotUsage", ADDRESS: "PublicIPv4:InUseAddress", TRANSFER: "DataTransfer-Out-Bytes"}


def ask_for(item: str, region: str, instance_type: str = "") -> tuple[str, dict[str, str]]:
    """Answer the service and the filters of GetProducts that ask for an item.

    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api-procedures.html
    """
    if item == INSTANCE:
        shared = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
        return "AmazonEC2", {"regionCode": region, "instanceType": instance_type, **shared}
    service, given = QUESTIONS[item]
    return service, {"fromRegionCode" if item == TRANSFER else "regionCode": region, **given}


def read_products(item: str, products: Iterable[str]) -> tuple[float | None, Kind | None]:
    """Answer the price on demand in what GetProducts answered, and what the instance type has.

    Of tiers it is the first that costs something: what is free at first belongs to the whole account.
    """
    for text in products:
        product = json.loads(text)
        told = product["product"]["attributes"]
        if item in _USAGE and not told.get("usagetype", "").endswith(_USAGE[item]):
            continue
        terms = product.get("terms", {}).get("OnDemand", {}).values()
        tiers = [tier for term in terms for tier in term["priceDimensions"].values()]
        for tier in sorted(tiers, key=lambda tier: float(tier.get("beginRange", 0))):
            usd = float(tier["pricePerUnit"].get("USD", 0))
            if usd > 0:
                return usd, _read_kind(told) if item == INSTANCE else None
    return None, None


def _read_kind(told: Mapping[str, str]) -> Kind | None:
    """Read `vcpu: 2, memory: 3.75 GiB`."""
    try:
        return Kind(int(told["vcpu"]), round(float(told["memory"].split()[0].replace(",", "")) * 1024))
    except (KeyError, ValueError):
        return None
