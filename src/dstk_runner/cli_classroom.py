"""`dstk send`, `collect`, `run`, `takehome`, `export` and `pull`: work with the notebooks of a class, or of some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dstk_runner import classroom
from dstk_runner.classwork import Archive, Classwork, Collected, Exported, Output, Pulled, Sent
from dstk_runner.cli_deployment import Limit
from dstk_runner.console import finish, open_errors
from dstk_runner.options import Request, takes_request
from dstk_runner.progress import follow

__all__ = ["classroom_app", "render_output", "render_sent"]

classroom_app = typer.Typer(rich_markup_mode=None)

_NAMES = 10
"""Names of a student's files that are shown; the document has more."""


@classroom_app.command()
@takes_request
def send(
    request: Request,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="Where in the homes; by default, at the top.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over what students have edited.")] = False,
    limit: Limit = None,
) -> None:
    """Put files into every home, never over what a student has edited."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "send") as progress:
        work = classroom.send(paths, config, to=to, overwrite=overwrite, on_event=progress)
    finish(request, work, render_sent(work))


@classroom_app.command()
@takes_request
def collect(
    request: Request,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file or folder, as seen from the homes.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The folder here.")] = Path("collected"),
    limit: Limit = None,
) -> None:
    """Fetch what students made into a folder each, never over what is there."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "collect") as progress:
        work = classroom.collect(path, config, into=into, on_event=progress)
    finish(request, work, _render_collected(work))


@classroom_app.command(context_settings={"allow_interspersed_args": False})
@takes_request
def run(
    request: Request,
    words: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="One word alone is a line for the shell.")
    ],
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="After which it is ended.")] = 300,
    limit: Limit = None,
) -> None:
    """Run a command in every notebook, and show the end of what each wrote, up to 16 KiB."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "run") as progress:
        work = classroom.run(words, config, timeout=timeout, on_event=progress)
    finish(request, work, render_output(work))


@classroom_app.command()
@takes_request
def takehome(
    request: Request,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The folder here.")] = Path("takehome"),
    limit: Limit = None,
) -> None:
    """Make an archive of every home, with checksums; caches stay out."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "takehome") as progress:
        work = classroom.takehome(config, into=into, on_event=progress)
    finish(request, work, _render_archives(work))


@classroom_app.command()
@takes_request
def export(
    request: Request,
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help="A folder here, or s3://bucket/prefix.")] = "export",
    limit: Limit = None,
) -> None:
    """Pack every home whole, as a tar.zst, into a folder or a bucket of S3."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "export") as progress:
        work = classroom.export(config, to=to, on_event=progress)
    finish(request, work, _render_exported(work))


@classroom_app.command()
@takes_request
def pull(request: Request, limit: Limit = None) -> None:
    """Bring the news of course_repo into every home; what a student has edited stays."""
    config = request.load(limit=limit)
    with follow(open_errors(), config, "pull") as progress:
        work = classroom.pull(config, on_event=progress)
    finish(request, work, _render_pulled(work))


def render_sent(work: Classwork[Sent]) -> RenderableType:
    """Show how many files became what in each home, and the names of those that a student has edited."""
    table = _make_table("student", "sent", "kept", "unchanged", "edited by the student, so kept")
    for answer in work:
        counts = [str(answer.counts[kind]) for kind in ("sent", "kept", "unchanged")]
        table.add_row(answer.student, *counts, _list_names(answer.kept, answer.counts["kept"]))
    return table


def _render_collected(work: Classwork[Collected]) -> RenderableType:
    table = _make_table("student", "state", "files", "here", "left out", "earlier, kept as")
    for answer in work:
        left_out = _list_names(answer.left_out, answer.left_out_count)
        files = str(answer.files) if answer.state == "fetched" else ""
        table.add_row(answer.student, answer.state, files, Text(str(answer.path or "")), left_out, Text(answer.earlier))
    return table


def render_output(work: Classwork[Output]) -> RenderableType:
    """Show what the command wrote, grouped by student."""
    parts: list[RenderableType] = []
    for answer in work:
        style = "bold" if answer.rc == 0 else "bold red"
        parts.append(Text(f"{answer.student}: code {answer.rc}", style=style))
        for name, text, cut in (
            ("output", answer.stdout, answer.stdout_cut),
            ("errors", answer.stderr, answer.stderr_cut),
        ):
            if cut:
                parts.append(Text(f"  [the first {cut} bytes of its {name} are left out]", style="dim"))
            parts += [Text(f"  {_strip_controls(line)}") for line in text.splitlines()]
    return Group(*parts)


def _render_archives(work: Classwork[Archive]) -> RenderableType:
    table = _make_table("student", "state", "size", "archive", "earlier, kept as")
    for answer in work:
        size = f"{answer.size / 1e6:.1f} MB"
        table.add_row(answer.student, answer.state, size, Text(str(answer.path)), Text(answer.earlier))
    folders = sorted({answer.path.parent for answer in work})
    return Group(table, *(Text(f"To check: cd {folder} && sha256sum -c SHA256SUMS") for folder in folders))


def _render_exported(work: Classwork[Exported]) -> RenderableType:
    table = _make_table("student", "state", "size", "archive", "earlier, kept as")
    for answer in work:
        size = f"{answer.size / 1e6:.1f} MB"
        table.add_row(answer.student, answer.state, size, Text(answer.place), Text(answer.earlier))
    return table


def _render_pulled(work: Classwork[Pulled]) -> RenderableType:
    table = _make_table("student", "commit")
    for answer in work:
        table.add_row(answer.student, answer.commit[:12])
    return table


def _list_names(names: tuple[str, ...], count: int) -> Text:
    shown = [_strip_controls(name) for name in names[:_NAMES]]
    if count > len(shown):
        shown.append(f"and {count - len(shown)} more")
    return Text(", ".join(shown))


def _strip_controls(text: str) -> str:
    """Leave out what would move the cursor or colour the screen: students choose names and write outputs."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in text)


def _make_table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
