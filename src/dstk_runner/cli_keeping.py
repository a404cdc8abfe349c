"""`dstk backup` and `dstk restore`: snapshots of the homes, and homes as they were."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dstk_runner import classroom, display, keeping
from dstk_runner.classwork import Classwork, Recovered
from dstk_runner.cli_deployment import Yes
from dstk_runner.console import confirm, finish, open_errors
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.options import Request, takes_request
from dstk_runner.progress import follow

__all__ = ["keeping_app"]

keeping_app = typer.Typer(rich_markup_mode=None)


@keeping_app.command()
@takes_request
def backup(
    request: Request,
    keep: Annotated[int | None, typer.Option("--keep", metavar="N", help="How many are kept of each volume.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Only show which there are.")] = False,
) -> None:
    """Make a snapshot of every volume with homes, and delete those that are too many."""
    config = request.load()
    with follow(open_errors(), config, "backup") as progress:
        if listing:
            result = keeping.find_backups(config, on_event=progress)
        else:
            result = keeping.backup(config, keep=keep, on_event=progress)
    finish(request, result, render_backups(result))


@keeping_app.command()
@takes_request
def restore(
    request: Request,
    snapshot: Annotated[str, typer.Argument(metavar="[SNAPSHOT]", help="Such as snap-0123456789abcdef0.")] = "",
    latest: Annotated[bool, typer.Option("--latest", help="The newest of each volume.")] = False,
    yes: Yes = False,
) -> None:
    """Let homes be as they were in a snapshot; with --student, put one home of it beside that of now."""
    if bool(snapshot) == latest:
        raise ConfigError([Mistake("", "SNAPSHOT", "say which snapshot, or --latest", "dstk backup --list shows them")])
    student = request.overrides.get("student")
    config = request.load(limit=[student] if student else None)
    if student:
        with follow(open_errors(), config, "restore_home") as progress:
            work = classroom.recover(snapshot or keeping.LATEST, config, on_event=progress)
        finish(request, work, _render_recovered(work))
    if not yes:
        confirm("Stop the hosts, and let the homes be as they were? The volumes of now are kept, and cost on.")
    with follow(open_errors(), config, "restore") as progress:
        result = keeping.restore(snapshot or keeping.LATEST, config, on_event=progress)
    finish(request, result, render_restoration(result))


def render_backups(result: keeping.Backups) -> RenderableType:
    """Show a line a snapshot, and which were deleted."""
    table = _make_table("homes", "snapshot", "of", "volume", "kind", "expires")
    for item in result.backups:
        table.add_row(item.homes, item.id, item.started, f"{item.size} GB", item.kind, item.expires)
    lines = [Text(f"Deleted, for there are newer ones: {', '.join(result.deleted)}")] if result.deleted else []
    return Group(table, *lines)


def render_restoration(result: keeping.Restoration) -> RenderableType:
    """Show whose homes are as they were, and the links after it."""
    table = _make_table("homes", "as in", "on", "instead of")
    for item in result.restored:
        table.add_row(item.homes, item.snapshot, item.volume, item.replaced or "none")
    lines = [Text(f"The homes of {homes} stay as they are: {why}") for homes, why in result.skipped.items()]
    if result.started:
        return Group(table, *lines, display.render_deployment(result.started))
    return Group(table, *lines, Text("No host ran: `dstk up` makes or starts them, with these homes."))


def _render_recovered(work: Classwork[Recovered]) -> RenderableType:
    table = _make_table("student", "the home of then is in the folder")
    for answer in work:
        table.add_row(answer.student, answer.folder)
    return table


def _make_table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
