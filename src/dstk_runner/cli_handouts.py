"""`dstk handouts`, and what `dstk status` does with --watch and --html: what an instructor hands out and looks at."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dstk_runner import api, display
from dstk_runner.config import Config
from dstk_runner.console import finish, open_errors, show
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.handouts import Handouts, write_handouts
from dstk_runner.options import Limit, Request, takes_request
from dstk_runner.progress import follow
from dstk_runner.results import Deployment
from dstk_runner.watch import Glance, watch

__all__ = ["Html", "Seconds", "Watch", "handouts_app", "watch_status"]

handouts_app = typer.Typer(rich_markup_mode=None)

Watch = Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")]
Seconds = Annotated[
    int | None, typer.Argument(min=1, metavar="SECONDS", help="With --watch: from look to look; by default 30.")
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write an overview of the class, without passwords, to keep open."),
]

_SECONDS = 30


@handouts_app.command()
@takes_request
def handouts(
    request: Request,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The folder.")] = Path("handouts"),
    limit: Limit = None,
) -> None:
    """Write a page a student, a CSV for a mail merge, and an overview of the class."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "status") as progress:
        seen = api.status(config, on_event=progress)
    result = write_handouts(seen, into, config=config)
    finish(request, result, _render_files(result))


def _render_files(result: Handouts) -> RenderableType:
    """Name the files that stand for the class, and count the pages of students."""
    pages = [path for path in result.files if path.parent.name == "students"]
    lines = [str(path) for path in result.files if path not in pages]
    if pages:
        lines.insert(0, f"{pages[0].parent}/: {len(pages)}, one a student, each with its password")
    return Group(*(Text(line) for line in lines))


def watch_status(request: Request, *, seconds: int | None, html: Path | None, limit: list[str] | None) -> None:
    """Show the deployment until Ctrl-C, and keep the page `html` fresh.

    Raises:
        ConfigError: what was asked for does not go together.
    """
    if request.as_json:
        message = "--watch has no end, and --json prints one document"
        raise ConfigError([Mistake("", "--watch", message, "leave one of them out")])

    def look(config: Config) -> Deployment:
        with open_errors().status("Looking ..."):
            return api.status(config)

    watch(
        lambda: request.load(limit=limit),
        look,
        lambda glance: show(_render_glance(glance, html), afresh=True),
        seconds=seconds or _SECONDS,
        html=html,
    )


def _render_glance(glance: Glance, html: Path | None) -> RenderableType:
    """Show the class without passwords, for others see this screen too."""
    parts: list[RenderableType] = []
    if glance.deployment and glance.as_of:
        heading = f"{glance.deployment.deployment} as of {glance.as_of:%H:%M:%S}"
        parts.append(Text(f"{heading}, also in {html}" if html else heading, style="bold"))
        parts += [_render_people(glance, glance.as_of), display.render_failures(glance.deployment.failures)]
    if glance.error:
        now = datetime.now().astimezone()
        parts += [Text(f"Not refreshed at {now:%H:%M:%S}:", style="bold red"), display.render_error(glance.error)]
    return Group(*parts)


def _render_people(glance: Glance, moment: datetime) -> RenderableType:
    from dstk_runner.handouts.rows import count_states, describe_person

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in ("student", "state", "last activity", "memory", "disk", "link"):
        table.add_column(column, no_wrap=column == "link", overflow="fold")
    for person in glance.people:
        row = describe_person(person, moment)
        table.add_row(person.login, f"{row.mark} {person.state}", row.active, row.memory, row.disk, Text(person.url))
    counts = "  ".join(f"{mark} {number} {state}" for mark, state, number in count_states(glance.people))
    return Group(Text(counts), table)
