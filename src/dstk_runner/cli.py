"""The command `dstk`: it puts the commands together, and exits with the code of what they came to."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dstk_runner import api, display
from dstk_runner._version import __version__
from dstk_runner.cli_account import account_app
from dstk_runner.cli_changes import changes_app
from dstk_runner.cli_classroom import classroom_app
from dstk_runner.cli_cost import cost_app
from dstk_runner.cli_deployment import deployment_app
from dstk_runner.cli_handouts import handouts_app
from dstk_runner.cli_host import host_app
from dstk_runner.cli_images import images_app
from dstk_runner.cli_keeping import keeping_app
from dstk_runner.cli_sandbox import sandbox_app
from dstk_runner.console import open_errors, show, show_json, tell
from dstk_runner.errors import ConfigError, DstkError, Interrupted, Mistake
from dstk_runner.options import Answer, Request, takes_request
from dstk_runner.progress import Progress

__all__ = ["main"]

app = typer.Typer(
    help="From nothing to running, secured Jupyter notebooks on AWS, and back to nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(deployment_app)
app.add_typer(cost_app)
app.add_typer(changes_app)
app.add_typer(classroom_app)
app.add_typer(handouts_app)
app.add_typer(host_app)
app.add_typer(keeping_app)
app.add_typer(account_app)
app.add_typer(images_app)
app.add_typer(sandbox_app, name="sandbox")

# typer brings its own click since 0.25, under a private name; this is UsageError in either
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0 well, 1 failed, 2 wrong request, 130 interrupted."""
    as_json = "--json" in arguments[: arguments.index("--") if "--" in arguments else None]
    # whoever ends dstk politely gets the same tidy end as with Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        answer = app(args=arguments, prog_name="dstk", standalone_mode=False)
        if answer == Interrupted.exit_code:
            # typer makes this of Ctrl-C, without a word
            raise KeyboardInterrupt
        if not isinstance(answer, Answer):
            return int(answer or 0)
        if answer.as_json:
            show_json(answer.document)
        else:
            sys.stdout.write(f"{answer.text}\n")
        return 0
    except DstkError as error:
        return _report(error, as_json=as_json, again=arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _report(Interrupted("interrupted"), as_json=as_json, again=arguments)
    except _UsageError as error:
        text = str(getattr(error, "format_message", error.__str__)())
        # without a command the text is the help itself
        fix = "" if text.startswith("Usage:") else "dstk --help"
        return _report(ConfigError([Mistake("", "", text, fix)]), as_json=as_json, again=arguments)
    except Exception:
        return _report(_keep_trace(), as_json=as_json, again=arguments)


def _report(error: DstkError, *, as_json: bool, again: list[str]) -> int:
    """Say what went wrong: to people on standard error, to machines as the document's failures."""
    if isinstance(error, Interrupted):
        command = shlex.join(["dstk", *again])
        error = Interrupted("Interrupted.", f"run `{command}` again: it goes on from where it was")
    tell(display.render_error(error))
    if as_json:
        stage = "request" if isinstance(error, ConfigError) else "dstk"
        failures = [failure.to_json() for failure in api.explain_failure(error, stage=stage)]
        show_json({"deployment": None, "region": None, "ok": False, "notebooks": [], "failures": failures})
    return error.exit_code


def _keep_trace() -> DstkError:
    from dstk_runner.project import load_layers

    folder = os.environ.get("DSTK_STATE_DIR") or load_layers().computed(os.environ)["state_dir"]
    path = Path(folder).expanduser() / "crash.log"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(traceback.format_exc(), encoding="utf-8")
    return DstkError(f"dstk itself failed: {sys.exc_info()[1]!r}", f"report it, with {path}")


@app.callback(invoke_without_command=True)
def show_version(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Handle what stands before a command."""
    if version:
        sys.stdout.write(f"dstk {__version__}\n")
        raise typer.Exit


@app.command()
def init(
    config: Annotated[Path, typer.Option("--config", help="The file to write.")] = Path("dstk.yml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented dstk.yml."""
    from dstk_runner.template import render_template

    try:
        with config.open("w" if force else "x", encoding="utf-8") as file:
            file.write(render_template())
    except FileExistsError:
        raise ConfigError(
            [Mistake(str(config), "", "the file is there already", "add --force to write over it")]
        ) from None
    except OSError as error:
        raise ConfigError([Mistake(str(config), "", f"it cannot be written: {error.strerror}")]) from error
    show(f"Wrote {config}. Next: dstk plan")


@app.command()
@takes_request
def doctor(request: Request) -> None:
    """Check all that a deployment needs, each with its remedy."""
    config = request.load()
    with Progress(open_errors()) as progress:
        checks = api.doctor(config, on_event=progress)
    failed = any(check.status == "fail" for check in checks)
    if request.as_json:
        show_json({"ok": not failed, "checks": [check.to_json() for check in checks]})
    else:
        show(display.render_checks(checks))
    raise typer.Exit(1 if failed else 0)
