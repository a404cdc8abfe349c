#!/usr/bin/env python3
"""Make the table of prices that comes with dstk, from what was fetched by hand; `--help` names the files.

The catalog is catalogs/v8/aws/vms.csv of github.com/skypilot-org/skypilot-catalog (SkyPilot's public catalog: on demand
and spot, by type, region and zone). The price of disks is docs/ebs_pricing.json of github.com/cloudkeep-io/ebs-pricing
(read from AWS's Price List). A file that is not given leaves its rows as they are. What neither has stands in
src/dstk_runner/prices/others.csv, by hand, each with its source.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PRICES = Path(__file__).parents[1] / "src" / "dstk_runner" / "prices"
SIZES = ("micro", "small", "medium", "large", "xlarge", "2xlarge")
#: The usual types for one person, and for several on a host.
FAMILIES = ("t2", "t3", "t3a", "t4g", "m5", "m6i", "m7i", "m7i-flex", "c5", "c7i", "r5", "r7i")
OTHER_PARTITIONS = ("cn-", "us-gov-")
CATALOG, STORAGE = "catalog", "storage"
SOURCES = (
    # the catalog bears no date; the youngest type in it, m8a, was announced on that day, so it is from then or later
    (CATALOG, "SkyPilot's catalog v8 (commit 00148f2)", "2025-10-08"),
    (STORAGE, "AWS Price List, as read by cloudkeep-io/ebs-pricing", "2022-02-10"),
)
HEADER = ("instance_type", "vcpus", "memory_mib", "region", "on_demand", "spot", "source")
Row = list[str]


def read_instances(rows: Iterable[Mapping[str, str]]) -> list[Row]:
    """Answer one row a type and region; spot is the dearest of its zones. Local zones are not the region's."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        away = row["Region"].startswith(OTHER_PARTITIONS) or row["AvailabilityZone"].count("-") > 1
        if not _is_usual(row["InstanceType"]) or away or not row["Price"]:
            continue
        key = row["InstanceType"], row["Region"]
        spot = max(_cap(row), found[key][5] if key in found else "", key=lambda text: float(text or 0))
        memory = round(float(row["MemoryGiB"]) * 1024)
        kind = [key[0], f"{float(row['vCPUs']):g}", str(memory)]
        found[key] = [*kind, key[1], _plain(row["Price"]), _plain(spot), CATALOG]
    return [found[key] for key in sorted(found)]


def read_storage(places: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Answer the price of gp3 in each region that has it."""
    regions = {place["rzCode"]: place["ebs_prices"] for place in places if place["rzType"] == "region"}
    own = [code for code in sorted(regions) if not code.startswith(OTHER_PARTITIONS) and "gp3" in regions[code]]
    return [["gp3", code, _plain(regions[code]["gp3"]["pricePerGBMonth"]["USD"])] for code in own]


def merge(*layers: Iterable[Row]) -> list[Row]:
    """Answer the rows of all layers, in order; of a type in a region, that of the first layer that has it."""
    found: dict[tuple[str, str], Row] = {}
    for row in (row for layer in layers for row in layer):
        found.setdefault((row[0], row[3]), row)
    return [found[key] for key in sorted(found)]


def _cap(row: Mapping[str, str]) -> str:
    """Answer a zone's price on spot, at most that on demand: it is rounded to four digits, and so can seem dearer."""
    return min(row["SpotPrice"], row["Price"], key=float) if row["SpotPrice"] else ""


def _is_usual(name: str) -> bool:
    family, _, size = name.partition(".")
    return family in FAMILIES and size in SIZES


def _plain(text: str) -> str:
    return f"{float(text):g}" if text else ""


def write(name: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write one file of the table."""
    with (PRICES / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _open_rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def main(arguments: list[str] | None = None) -> None:
    """Make what files are given for."""
    parser = argparse.ArgumentParser(description="Make src/dstk_runner/prices/ from files fetched by hand.")
    parser.add_argument("--catalog", type=Path, metavar="VMS.csv")
    parser.add_argument("--storage", type=Path, metavar="EBS_PRICING.json")
    parser.add_argument("--add", action="store_true", help="VMS.csv is a part of the catalog: keep rows it has not")
    given = parser.parse_args(arguments)
    table = [[row[column] for column in HEADER] for row in _open_rows(PRICES / "instances.csv")]
    catalog = read_instances(_open_rows(given.catalog)) if given.catalog else table
    write("instances.csv", HEADER, merge(catalog, table) if given.add else catalog)
    if given.storage:
        places = json.loads(given.storage.read_text(encoding="utf-8"))
        write("storage.csv", ("item", "region", "usd"), read_storage(places))
    write("sources.csv", ("key", "source", "date"), SOURCES)


if __name__ == "__main__":
    main()
