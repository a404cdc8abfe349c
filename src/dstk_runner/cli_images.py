"""`dstk bake`: machine images of one's own."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from dstk_runner import baking
from dstk_runner.baking import Baking
from dstk_runner.console import confirm, finish, open_errors
from dstk_runner.display import make_table
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.options import Request, takes_request
from dstk_runner.progress import follow

__all__ = ["images_app", "render_baking"]

images_app = typer.Typer(rich_markup_mode=None)


@images_app.command()
@takes_request
def bake(
    request: Request,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of a kind are kept.")] = 2,
    only_list: Annotated[bool, typer.Option("--list", help="Show the images that are there.")] = False,
    delete: Annotated[
        list[str] | None, typer.Option("--delete", metavar="IMAGE", help="Remove this image, or `all`.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make a machine image with Docker and the notebook image inside, which new hosts begin with."""
    if only_list and delete:
        raise ConfigError([Mistake("", "--list", "it changes nothing, and --delete does", "give one of them")])
    config = request.load()
    if not only_list and not yes and (delete or config.target == "aws"):
        confirm("Remove it?" if delete else "Bake it? A host runs for some minutes, and the image costs by the month.")
    with follow(open_errors(), config, "images" if only_list or delete else "bake") as progress:
        if only_list:
            result = baking.list_images(config, on_event=progress)
        elif delete:
            result = baking.delete_images(config, images=delete, on_event=progress)
        else:
            result = baking.bake(config, keep=keep, on_event=progress)
    finish(request, result, render_baking(result))


def render_baking(result: Baking) -> RenderableType:
    """Show the images that are there with what they cost, which of them is new, and what was removed."""
    parts: list[RenderableType] = []
    if result.images:
        parts.append(_render_images(result))
    elif not result.failures:
        parts.append(Text(f"No machine image of dstk is in {result.region}. `dstk bake` makes one."))
    parts += [Text(f"{image} and its snapshot are gone.") for image in result.removed]
    parts += [Text(f"{snapshot}, whose image was gone, is gone.") for snapshot in result.removed_snapshots]
    if result.images:
        parts.append(Text("AWS bills what is used of a disk, as a snapshot, until `dstk bake --delete`."))
    if result.images and result.price.get("usd") is not None:
        source = f"{result.price['source']}, {result.price['date'] or 'undated'}"
        usd = f"{result.price['usd']:g} USD a GB and month"
        parts.append(Text(f"A month is the most that it costs: the whole disk at {usd} ({source})."))
    return Group(*parts)


def _render_images(result: Baking) -> RenderableType:
    table = make_table("image", "made", "Ubuntu", "notebook image", "disk", "a month", "")
    for image in result.images:
        word = "new" if image.id == result.image_id else "" if image.state == "available" else image.state
        made = image.created.replace("T", " ")[:16]
        cost = "not known" if image.usd_month is None else f"{image.usd_month:.2f} USD"
        table.add_row(
            *(image.id, made, f"{image.ubuntu} {image.architecture}", image.notebook_image, f"{image.size} GB"),
            *(cost, word),
        )
    return table
