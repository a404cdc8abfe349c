"""`dstk open`, `ssh` and `logs`: one notebook, and the host under it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Annotated

import typer

from dstk_runner import api, display
from dstk_runner.config import Config
from dstk_runner.console import finish, open_errors
from dstk_runner.errors import DstkError
from dstk_runner.options import Request, takes_request
from dstk_runner.progress import Progress
from dstk_runner.results import Failure

__all__ = ["host_app"]

host_app = typer.Typer(rich_markup_mode=None)


@host_app.command(name="open")
@takes_request
def open_notebook(request: Request) -> None:
    """Open the notebook in a browser, and show how to log in."""
    config = request.load()
    with Progress(open_errors()) as progress:
        result = api.status(config, on_event=progress)
    student = _find_student(config)
    ready = [book for book in result.notebooks if book.state == "ready" and student in (None, book.student)]
    if len(ready) == 1 and not request.as_json and sys.stdout.isatty():
        typer.launch(ready[0].url)
    if not ready and not result.failures:
        stopped = any(book.state == "stopped" for book in result.notebooks)
        message, fix = f"no notebook of {config.deployment} is ready", "dstk start" if stopped else "dstk up"
        failure = Failure(stage="status", message=message, fix=fix)
        result = replace(result, failures=(failure,))
    finish(request, result, display.render_deployment(result))


def _find_student(config: Config) -> str | None:
    """Return the student whom somebody named; nobody has to where there is one notebook."""
    return config.student if "student" in config.chosen else None


@host_app.command(context_settings={"allow_interspersed_args": False})
@takes_request
def ssh(
    request: Request,
    words: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="What to run there.")] = None,
) -> None:
    """Log in to the instance, or run a command there."""
    from dstk_runner.hosts import find_host, make_ssh_command

    config = request.load()
    with api.open_session(config) as opened:
        command = make_ssh_command(opened, find_host(opened, _find_student(config)), words or [])
    try:
        os.execvp(command[0], command)  # noqa: S606 - ssh takes this process's place, terminal and all
    except FileNotFoundError:
        raise DstkError("ssh cannot be found", "apt install openssh-client") from None


@host_app.command()
@takes_request
def logs(
    request: Request,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Of each log.")] = 100,
) -> None:
    """Show the notebooks' logs, and name those of dstk's own runs."""
    config = request.load()
    with Progress(open_errors()) as progress:
        result = api.read_logs(config, lines=lines, on_event=progress)
    finish(request, result, display.render_logs(result))
