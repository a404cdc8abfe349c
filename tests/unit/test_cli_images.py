"""What people see of machine images."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from dstk_runner.baking import Baking, MachineImage
from dstk_runner.cli_images import render_baking

IMAGE = MachineImage(
    id="ami-1",
    name="dstk-24.04-x86_64",
    state="available",
    created="2026-11-26T02:38:00.000Z",
    ubuntu="24.04",
    architecture="x86_64",
    notebook_image="quay.io/jupyter/datascience-notebook:2026-08-24",
    size=30,
    usd_month=1.5,
)
PRICE = {"usd": 0.05, "source": "a bill of AWS", "date": ""}


def show(**more: Any) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(render_baking(Baking(**{"deployment": "csx450", "region": "us-west-2", **more})))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_an_image_is_shown_with_what_it_costs_and_by_which_price() -> None:
    shown = show(images=(IMAGE,), price=PRICE)
    assert "1.50 USD" in shown
    assert "0.05 USD a GB and month (a bill of AWS, undated)" in shown


def test_a_price_that_is_not_known_is_said_not_to_be() -> None:
    shown = show(images=(MachineImage(**{**vars(IMAGE), "usd_month": None}),), price={"usd": None})
    assert "not known" in shown
    assert "USD" not in shown


@pytest.mark.parametrize("images", [(IMAGE,), ()])
def test_what_went_is_said_whether_or_not_others_are_left(images: tuple[MachineImage, ...]) -> None:
    shown = show(images=images, removed=("ami-9",), removed_snapshots=("snap-9",))
    assert "ami-9 and its snapshot are gone." in shown
    assert "snap-9, whose image was gone, is gone." in shown
