"""What the role machine_image tells people of the images that are there, and of what was removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def machine_image_lines(now: Mapping[str, Any], price: Mapping[str, Any]) -> list[str]:
    """Answer a line for each image and for what was removed, then by which price an image was reckoned."""
    return [*_describe(now["images"]), *_describe_removed(now), *_describe_price(now["images"], price)]


def _describe(images: list[Mapping[str, Any]]) -> Iterator[str]:
    for row in images:
        known = row["usd_month"] is not None
        cost = f"at most {row['usd_month']:.2f} USD a month" if known else "at a price that is not known here"
        yield f"{row['image_id']}, {row['name']}, {row['state']}: {row['size']} GB, {cost}"
    if not images:
        yield "There is no machine image of dstk."


def _describe_removed(now: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{image_id} and its snapshots are gone." for image_id in now["removed"])
    yield from (f"{snapshot}, whose image was gone, is gone." for snapshot in now["removed_snapshots"])


def _describe_price(images: list[Mapping[str, Any]], price: Mapping[str, Any]) -> Iterator[str]:
    if images and price.get("usd") is not None:
        yield f"A GB of a snapshot is {price['usd']:g} USD a month ({price['source']}, {price['date'] or 'undated'})."


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Any]:
        """Answer the filters."""
        return {"machine_image_lines": machine_image_lines}
