"""The command `dstk`: the one module that prints and exits."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, RenderableType

from dstk_runner import api, display
from dstk_runner._version import __version__
from dstk_runner.cli_sandbox import sandbox_app
from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, DstkError, Interrupted, Mistake
from dstk_runner.options import Answer, Request, takes_request
from dstk_runner.progress import Progress
from dstk_runner.results import Failure

__all__ = ["main"]

app = typer.Typer(
    help="From nothing to running, secured Jupyter notebooks on AWS, and back to nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(sandbox_app, name="sandbox")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

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
            _print_json(answer.document)
        else:
            sys.stdout.write(f"{answer.text}\n")
        return 0
    except DstkError as error:
        return _report(error, as_json=as_json, again=arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _report(Interrupted("interrupted"), as_json=as_json, again=arguments)
    except _UsageError as error:
        tell = getattr(error, "format_message", error.__str__)
        text = str(tell())
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
    _errors().print(display.render_error(error), soft_wrap=True)
    if as_json:
        stage = "request" if isinstance(error, ConfigError) else "dstk"
        failures = [failure.to_json() for failure in api.explain_failure(error, stage=stage)]
        _print_json({"deployment": None, "region": None, "ok": False, "notebooks": [], "failures": failures})
    return error.exit_code


def _keep_trace() -> DstkError:
    from dstk_runner.project import load_layers

    folder = os.environ.get("DSTK_STATE_DIR") or load_layers().computed(os.environ)["state_dir"]
    path = Path(folder).expanduser() / "crash.log"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(traceback.format_exc(), encoding="utf-8")
    return DstkError(f"dstk itself failed: {sys.exc_info()[1]!r}", f"report it, with {path}")


def _errors() -> Console:
    return _open_console(stderr=True)


def _open_console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        # what is piped is not cut to the width of a screen
        console.width = 250
    return console


def _tell(message: str) -> None:
    _errors().print(message, soft_wrap=True)


def _print(renderable: RenderableType) -> None:
    _open_console(stderr=False).print(renderable)


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def _finish(request: Request, result: Any, picture: RenderableType) -> NoReturn:
    """Print a result in the form that was asked for, and exit as it deserves."""
    if request.as_json:
        _print_json(result.to_json())
    else:
        _print(picture)
    if result.failures:
        _errors().print(display.render_failures(result.failures), soft_wrap=True)
    if getattr(result, "log", None):
        _errors().print(f"Log: {result.log}", style="dim", soft_wrap=True)
    raise typer.Exit(0 if result.ok else 1)


def _confirm(question: str) -> None:
    """Ask on the terminal; where nobody can answer, that is a wrong request."""
    if not sys.stdin.isatty():
        raise ConfigError([Mistake("", "", "this asks first, and nobody is there to answer", "add --yes")])
    _errors().print(f"{question} [y/N] ", end="", soft_wrap=True)
    if input().strip().lower() not in ("y", "yes"):
        _errors().print("Nothing was changed.")
        raise typer.Exit(1)


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
    _print(f"Wrote {config}. Next: dstk plan")


@app.command()
@takes_request
def plan(request: Request) -> None:
    """Show what `up` would make; change nothing."""
    config = request.load()
    with Progress(_errors()) as progress:
        result = api.plan(config, on_event=progress)
    _finish(request, result, display.render_plan(result))


@app.command()
@takes_request
def up(request: Request, yes: Yes = False) -> None:
    """Make the deployment, or finish and repair it."""
    config = request.load()
    if config.target == "aws" and not yes:
        _errors().print(display.render_request(config), soft_wrap=True)
        _confirm("Make it?")
    with Progress(_errors()) as progress:
        result = api.deploy(config, on_event=progress)
    _finish(request, result, display.render_deployment(result))


@app.command()
@takes_request
def status(request: Request) -> None:
    """Show the deployment as it is."""
    config = request.load()
    with Progress(_errors()) as progress:
        result = api.status(config, on_event=progress)
    _finish(request, result, display.render_deployment(result))


@app.command(name="open")
@takes_request
def open_notebook(request: Request) -> None:
    """Open the notebook in a browser, and show how to log in."""
    config = request.load()
    with Progress(_errors()) as progress:
        result = api.status(config, on_event=progress)
    student = _find_student(config)
    ready = [book for book in result.notebooks if book.state == "ready" and student in (None, book.student)]
    if len(ready) == 1 and not request.as_json and sys.stdout.isatty():
        typer.launch(ready[0].url)
    if not ready and not result.failures:
        failure = Failure(stage="status", message=f"no notebook of {config.deployment} is ready", fix="dstk up")
        result = replace(result, failures=(failure,))
    _finish(request, result, display.render_deployment(result))


def _find_student(config: Config) -> str | None:
    """Return the student whom somebody named; nobody has to where there is one notebook."""
    return config.student if "student" in config.chosen else None


@app.command(context_settings={"allow_interspersed_args": False})
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


@app.command()
@takes_request
def logs(
    request: Request,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Of each log.")] = 100,
) -> None:
    """Show the notebooks' logs, and name those of dstk's own runs."""
    config = request.load()
    with Progress(_errors()) as progress:
        result = api.read_logs(config, lines=lines, on_event=progress)
    _finish(request, result, display.render_logs(result))


@app.command()
@takes_request
def destroy(request: Request, yes: Yes = False) -> None:
    """Delete all that carries the deployment's tag, and show the receipt."""
    config = request.load()
    if not yes:
        found = api.find_deployed(config)
        if found:
            _errors().print(display.render_resources(found))
        # a script without --yes is wrong on the day on which there is nothing, too
        if found or not sys.stdin.isatty():
            _confirm(f"Delete these {len(found)}, and all that is in the notebooks?")
    with Progress(_errors()) as progress:
        result = api.destroy(config, on_event=progress)
    _finish(request, result, display.render_receipt(result))


@app.command()
@takes_request
def doctor(request: Request) -> None:
    """Check all that a deployment needs, each with its remedy."""
    config = request.load()
    with Progress(_errors()) as progress:
        checks = api.doctor(config, on_event=progress)
    failed = any(check.status == "fail" for check in checks)
    if request.as_json:
        _print_json({"ok": not failed, "checks": [check.to_json() for check in checks]})
    else:
        _print(display.render_checks(checks))
    raise typer.Exit(1 if failed else 0)
