"""What dstk prints: answers on standard output, everything for people's eyes only on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console, RenderableType

from dstk_runner import display
from dstk_runner.errors import ConfigError, Mistake

if TYPE_CHECKING:
    from dstk_runner.options import Request

__all__ = ["confirm", "finish", "open_errors", "show", "show_json", "tell"]


def open_errors() -> Console:
    """Return the console on standard error, where progress and failures are shown."""
    return _open_console(stderr=True)


def _open_console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        # what is piped is not cut to the width of a screen
        console.width = 250
    return console


def tell(message: RenderableType) -> None:
    """Say something on standard error."""
    open_errors().print(message, soft_wrap=True)


def show(renderable: RenderableType, *, afresh: bool = False) -> None:
    """Show an answer on standard output; `afresh` clears a terminal before."""
    console = _open_console(stderr=False)
    if afresh:
        console.clear()
    console.print(renderable)


def show_json(document: Any) -> None:
    """Print the one document of a command on standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def finish(request: Request, result: Any, picture: RenderableType) -> NoReturn:
    """Print a result in the form that was asked for, and exit as it deserves."""
    if request.as_json:
        show_json(result.to_json())
    else:
        show(picture)
    if result.failures:
        tell(display.render_failures(result.failures))
    if getattr(result, "log", None):
        open_errors().print(f"Log: {result.log}", style="dim", soft_wrap=True)
    raise typer.Exit(0 if result.ok else 1)


def confirm(question: str) -> None:
    """Ask on the terminal; where nobody can answer, that is a wrong request."""
    if not sys.stdin.isatty():
        raise ConfigError([Mistake("", "", "this asks first, and nobody is there to answer", "add --yes")])
    open_errors().print(f"{question} [y/N] ", end="", soft_wrap=True)
    if input().strip().lower() not in ("y", "yes"):
        tell("Nothing was changed.")
        raise typer.Exit(1)
