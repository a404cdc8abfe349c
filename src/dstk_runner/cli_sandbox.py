"""`dstk sandbox`: AWS and EC2 hosts on this machine. Each command returns what is to be printed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dstk_runner.options import Answer, AsJson

if TYPE_CHECKING:
    from dstk_runner.sandbox import SandboxState

__all__ = ["sandbox_app"]

sandbox_app = typer.Typer(
    help="AWS and EC2 hosts on this machine, without an account.", no_args_is_help=True, rich_markup_mode=None
)


@sandbox_app.command()
def up(
    context: typer.Context,
    mode: Annotated[str, typer.Option("--mode", help="hosts: instances are containers; api: nothing boots.")] = "hosts",
    as_json: AsJson = False,
) -> Answer:
    """Start it, where it is not running."""
    from dstk_runner import sandbox

    state = sandbox.up(mode=mode, on_progress=context.obj)
    return Answer(_describe(state), f"The sandbox answers at {state.endpoint}.", as_json=as_json)


@sandbox_app.command()
def status(as_json: AsJson = False) -> Answer:
    """Say whether it is running, and where."""
    from dstk_runner import sandbox

    state = sandbox.status()
    text = f"The sandbox answers at {state.endpoint} (mode {state.mode})." if state else "No sandbox is running."
    return Answer(_describe(state), text, as_json=as_json)


@sandbox_app.command()
def env(as_json: AsJson = False) -> Answer:
    """Print the variables with which any AWS tool speaks to it: eval "$(dstk sandbox env)"."""
    from dstk_runner import sandbox

    variables = sandbox.environment()
    lines = [f"unset {name}" for name in sandbox.UNSET]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return Answer(dict(variables), "\n".join(lines), as_json=as_json)


@sandbox_app.command()
def down(as_json: AsJson = False) -> Answer:
    """End it, and remove all that is in it."""
    from dstk_runner import sandbox

    sandbox.down()
    return Answer({"running": False}, "The sandbox is gone.", as_json=as_json)


def _describe(state: SandboxState | None) -> dict[str, Any]:
    """Return what a sandbox is, without its secret."""
    if state is None:
        return {"running": False}
    return {"running": True, "endpoint": state.endpoint, "mode": state.mode, "pid": state.pid, "started": state.started}
