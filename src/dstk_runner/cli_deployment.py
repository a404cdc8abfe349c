"""`dstk plan`, `up`, `status`, `stop`, `start`, `extend`, `rotate` and `destroy`: a deployment as a whole."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from dstk_runner import api, display
from dstk_runner.cli_handouts import Html, Seconds, Watch, watch_status
from dstk_runner.config import Config
from dstk_runner.console import confirm, finish, open_errors, tell
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.handouts import write_overview
from dstk_runner.lease import extend as api_extend
from dstk_runner.options import Limit, Request, takes_request
from dstk_runner.progress import Progress, follow

__all__ = ["Limit", "deployment_app"]

deployment_app = typer.Typer(rich_markup_mode=None)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@deployment_app.command()
@takes_request
def plan(request: Request) -> None:
    """Show what `up` would make; change nothing."""
    config = request.load()
    with Progress(open_errors()) as progress:
        result = api.plan(config, on_event=progress)
    finish(request, result, display.render_plan(result))


@deployment_app.command()
@takes_request
def up(
    request: Request,
    limit: Limit = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove who left the roster, after archiving their work here.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make the deployment, or finish and repair it."""
    config = request.load(limit=limit, prune=prune)
    if config.target == "aws" and not yes:
        tell(display.render_request(config))
        confirm("Make it?")
    if prune and not yes:
        _confirm_prune(config)
    with follow(open_errors(), config, "up") as progress:
        result = api.deploy(config, on_event=progress)
    finish(request, result, display.render_deployment(result))


def _confirm_prune(config: Config) -> None:
    """Say who would be removed, and ask."""
    gone = api.find_gone(config)
    if gone:
        tell(display.render_gone(gone))
        confirm(f"Archive the work of these {len(gone)} on this machine, and remove them?")


@deployment_app.command()
@takes_request
def status(
    request: Request, watch: Watch = False, seconds: Seconds = None, html: Html = None, limit: Limit = None
) -> None:
    """Show the deployment as it is."""
    if watch:
        return watch_status(request, seconds=seconds, html=html, limit=limit)
    if seconds:
        raise ConfigError([Mistake("", "SECONDS", f"{seconds} means nothing by itself", "add --watch")])
    config = request.load(limit=limit)
    with follow(open_errors(), config, "status") as progress:
        result = api.status(config, on_event=progress)
    if html:
        write_overview(result, html, config=config)
    finish(request, result, display.render_deployment(result))


@deployment_app.command()
@takes_request
def stop(request: Request, limit: Limit = None, yes: Yes = False) -> None:
    """Stop the hosts. Files stay, and so does the cost of the disks; what runs in the notebooks ends."""
    config = request.load(limit=limit)
    if not yes:
        confirm("Stop the hosts, and with them all that runs in the notebooks?")
    with follow(open_errors(), config, "stop") as progress:
        result = api.stop(config, on_event=progress)
    finish(request, result, display.render_deployment(result))


@deployment_app.command()
@takes_request
def start(request: Request, limit: Limit = None, yes: Yes = False) -> None:
    """Start hosts that are stopped. Their addresses are others then, and so are links without a domain."""
    config = request.load(limit=limit)
    if config.target == "aws" and not yes:
        confirm("Start the hosts? They cost by the hour again.")
    with follow(open_errors(), config, "start") as progress:
        result = api.start(config, on_event=progress)
    if result.notebooks and not config.elastic_ip:
        tell("Addresses may have changed: write handouts that were written before again with `dstk handouts`.")
    finish(request, result, display.render_deployment(result))


@deployment_app.command()
@takes_request
def extend(
    request: Request,
    by: Annotated[str, typer.Option("--by", help="How much longer, such as 7d or 12h.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="The last day, such as 2026-12-18.")] = "",
    yes: Yes = False,
) -> None:
    """Let the deployment end later; what is stopped stays so until `dstk start`."""
    config = request.load()
    if config.target == "aws" and not yes:
        confirm("Extend it? Running hosts cost by the hour until the new end.")
    with follow(open_errors(), config, "extend") as progress:
        result = api_extend(config, by=by, until=until, on_event=progress)
    finish(request, result, display.render_extension(result))


@deployment_app.command()
@takes_request
def rotate(request: Request, limit: Limit = None) -> None:
    """Make new passwords, and end all logins; handouts have to be written again."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "rotate") as progress:
        result = api.rotate(config, on_event=progress)
    if result.notebooks:
        tell("Passwords of before are no longer good: write the handouts again with `dstk handouts`.")
    finish(request, result, display.render_deployment(result))


@deployment_app.command()
@takes_request
def destroy(
    request: Request,
    yes: Yes = False,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the volumes with the homes too, after a last backup.")
    ] = False,
    no_final_backup: Annotated[bool, typer.Option("--no-final-backup", help="Take no last backup of them.")] = False,
) -> None:
    """Delete the deployment, and show the receipt. Volumes with homes stay, and cost, unless --delete-data."""
    config = replace(request, overrides={**request.overrides, **api.NO_CLASS}).load()
    if not yes:
        found = [item for item in api.find_deployed(config) if not item.stays(delete_data=delete_data)]
        if found:
            tell(display.render_resources(found))
        # a script without --yes is wrong on the day on which there is nothing, too
        if found or not sys.stdin.isatty():
            replaced = [item.id for item in found if item.is_replaced]
            if replaced and not no_final_backup:
                tell(f"No last backup is made of what a restore replaced: {', '.join(replaced)}")
            confirm(f"Delete these {len(found)}, {_describe_data(delete_data, no_final_backup)}?")
    with follow(open_errors(), config, "destroy") as progress:
        result = api.destroy(config, delete_data=delete_data, final_backup=not no_final_backup, on_event=progress)
    finish(request, result, display.render_receipt(result))


def _describe_data(delete_data: bool, no_final_backup: bool) -> str:
    """Say what becomes of the work."""
    if not delete_data:
        return "and keep the volumes with the homes"
    return "and all that is in the homes" if no_final_backup else "and all that is in the homes, after a last backup"
