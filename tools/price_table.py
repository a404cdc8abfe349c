#!/usr/bin/env python3
"""Make the table of prices that comes with dstk: `tools/price_table.py VMS.csv EBS_PRICING.json`.

The first is catalogs/v8/aws/vms.csv of github.com/skypilot-org/skypilot-catalog (SkyPilot's public catalog: on demand
and spot, by type, region and zone). The second is docs/ebs_pricing.json of github.com/cloudkeep-io/ebs-pricing (read
from AWS's Price List). What neither has stands in src/dstk_runner/prices/others.csv, by hand, each with its source.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PRICES = Path(__file__).parents[1] / "src" / "dstk_runner" / "prices"
SIZES = ("micro", "small", "medium", "large", "xlarge", "2xlarge")
#: The usual types for one person, and for several on a host.
FAMILIES = ("t2", "t3", "t3a", "t4g", "m5", "m6i", "m7i", "m7i-flex", "c5", "c7i", "r5", "r7i")
OTHER_PARTITIONS = ("cn-", "us-gov-")
SOURCES = (
    # the catalog bears no date; the youngest type in it, m8a, was announced on that day, so it is from then or later
    ("instances", "SkyPilot's catalog v8 (commit 00148f2)", "2025-10-08"),
    ("storage", "AWS Price List, as read by cloudkeep-io/ebs-pricing", "2022-02-10"),
)


def read_instances(rows: Iterable[Mapping[str, str]]) -> list[list[str]]:
    """Answer one row a type and region; spot is the dearest of its zones. Local zones are not the region's."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        family, _, size = row["InstanceType"].partition(".")
        away = row["Region"].startswith(OTHER_PARTITIONS) or row["AvailabilityZone"].count("-") > 1
        if family not in FAMILIES or size not in SIZES or away or not row["Price"]:
            continue
        key = row["InstanceType"], row["Region"]
        spot = max(row["SpotPrice"], found.get(key, [""])[-1], key=lambda text: float(text or 0))
        memory = round(float(row["MemoryGiB"]) * 1024)
        found[key] = [key[0], f"{float(row['vCPUs']):g}", str(memory), key[1], _plain(row["Price"]), _plain(spot)]
    return [found[key] for key in sorted(found)]


def read_storage(places: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Answer the price of gp3 in each region that has it."""
    regions = {place["rzCode"]: place["ebs_prices"] for place in places if place["rzType"] == "region"}
    own = [code for code in sorted(regions) if not code.startswith(OTHER_PARTITIONS) and "gp3" in regions[code]]
    return [["gp3", code, _plain(regions[code]["gp3"]["pricePerGBMonth"]["USD"])] for code in own]


def _plain(text: str) -> str:
    return f"{float(text):g}" if text else ""


def write(name: str, header: str, rows: Iterable[Iterable[str]]) -> None:
    """Write one file of the table."""
    with (PRICES / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


if __name__ == "__main__":
    vms, ebs = sys.argv[1:]
    with Path(vms).open(encoding="utf-8", newline="") as lines:
        write(
            "instances.csv",
            "instance_type,vcpus,memory_mib,region,on_demand,spot",
            read_instances(csv.DictReader(lines)),
        )
    write("storage.csv", "item,region,usd", read_storage(json.loads(Path(ebs).read_text(encoding="utf-8"))))
    write("sources.csv", "table,source,date", SOURCES)
