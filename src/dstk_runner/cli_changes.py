"""`dstk resize` and `upgrade`: what changes under notebooks that are there."""

from __future__ import annotations

from typing import Annotated

import typer

from dstk_runner import changes, display
from dstk_runner.console import confirm, finish, open_errors, tell
from dstk_runner.options import Limit, Request, takes_request
from dstk_runner.progress import follow

__all__ = ["changes_app"]

changes_app = typer.Typer(rich_markup_mode=None)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@changes_app.command()
@takes_request
def resize(
    request: Request,
    type_: Annotated[str, typer.Option("--type", help="The instance type, such as m7i.large.")],
    limit: Limit = None,
    yes: Yes = False,
) -> None:
    """Give the hosts another instance type: stop, change, start. Files stay; what runs in the notebooks ends."""
    config = request.load(limit=limit)
    if not yes:
        confirm(f"Stop the hosts, and with them all that runs in the notebooks, and start them as {type_}?")
    with follow(open_errors(), config, "resize") as progress:
        result = changes.resize(config, type=type_, on_event=progress)
    if result.notebooks and config.instance_type != type_:
        tell(
            f"New hosts would be {config.instance_type}: write `instance_type: {type_}` in dstk.yml to have them alike."
        )
    finish(request, result, display.render_deployment(result))


@changes_app.command()
@takes_request
def upgrade(
    request: Request,
    image: Annotated[str, typer.Option("--image", help="Instead of the configuration's notebook_image.")] = "",
    wait: Annotated[int, typer.Option("--wait", min=1, help="Seconds until the new one has to answer.")] = 300,
    limit: Limit = None,
    yes: Yes = False,
) -> None:
    """Give notebooks a new image. What runs in them ends; where it does not get healthy the old one comes back."""
    config = request.load(limit=limit)
    if not yes:
        confirm("Restart the notebooks, and end all that runs in them?")
    with follow(open_errors(), config, "upgrade") as progress:
        result = changes.upgrade(config, image=image, wait=wait, on_event=progress)
    if image and result.ok and image != config.notebook_image:
        tell(f"They keep it. New notebooks would have another: write `notebook_image: {image}` in dstk.yml.")
    finish(request, result, display.render_deployment(result))
