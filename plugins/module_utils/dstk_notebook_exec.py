"""Commands in the containers of a host's notebooks, side by side, where a student's failure is that student's only."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

USER = "1000:100"
"""The user of the docker-stacks images. Never root: what a student has made may lead anywhere."""
HOME = "/home/jovyan"
AT_ONCE = 8
CHUNK = 1 << 20
ERROR_BYTES = 4000
LINE_BYTES = 1 << 20
GRACE = 5
"""Seconds that a command has to end by itself when its time is over."""
LATE = (124, 137, -9)
"""Codes with which `timeout` ends, and docker where even that did not help."""

Notebook = Mapping[str, Any]


class NotebookError(Exception):
    """What failed for one student, and what mends it."""

    def __init__(self, message: str, fix: str) -> None:
        """Take both, as people read them."""
        super().__init__(message)
        self.message, self.fix = message, fix


@dataclass(frozen=True)
class Ended:
    """How a command ended: its code, the end of its standard error, and whether its time was over."""

    rc: int
    errors: str
    late: bool


def serve(
    notebooks: Sequence[Notebook], work: Callable[[Notebook], dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]]:
    """Do the work for every notebook whose container runs.

    Args:
        notebooks: each with student and container.
        work: answers what is told of the notebook, or raises NotebookError.

    Returns:
        Answers by student, and failures by student, each with message and fix.
    """
    answers: dict[str, dict[str, Any]] = {}
    failures: dict[str, dict[str, str]] = {}
    states = find_states()

    def attempt(notebook: Notebook) -> None:
        student = notebook["student"]
        try:
            check_state(notebook["container"], states)
            answers[student] = work(notebook)
        except NotebookError as error:
            failures[student] = {"message": error.message, "fix": error.fix}
        except OSError as error:
            failures[student] = {"message": f"the host could not do it: {error}", "fix": "see that its disk has room"}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(attempt, notebooks))
    return answers, failures


def find_states() -> dict[str, str]:
    """Answer the state of every container of the host, by name; nothing where Docker does not answer."""
    asked = ["docker", "ps", "--all", "--format", "{{.Names}} {{.State}}"]
    with contextlib.suppress(OSError):
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    return {}


def check_state(container: str, states: Mapping[str, str]) -> None:
    """Raise NotebookError where a container does not run."""
    state = states.get(container, "missing")
    if state != "running":
        words = "there is no container" if state == "missing" else f"the container is {state}:"
        raise NotebookError(f"{words} {container}", "`dstk up` makes and starts the notebooks")


def run_inside(
    container: str,
    command: Sequence[str],
    *,
    on_output: Callable[[bytes], None],
    on_errors: Callable[[bytes], None] | None = None,
    source: str | None = None,
    timeout: float,
) -> Ended:
    """Run a command in a container, as the notebook's user in the home.

    Args:
        container: its name.
        command: the command and its arguments.
        on_output: is given what the command writes, piece by piece; what it raises ends the command.
        on_errors: the same for standard error; else its end is kept.
        source: a file of the host that the command reads as its standard input.
        timeout: seconds after which it is ended.
    """
    flags = ["--interactive"] if source else []
    # what is ended from outside alone would live on inside
    bounded = ["timeout", "-k", str(GRACE), f"{timeout:g}", *command]
    arguments = ["docker", "exec", *flags, "--user", USER, "--workdir", HOME, container, *bounded]
    kept = Tail(ERROR_BYTES)
    with Path(source or os.devnull).open("rb") as stdin:
        process = subprocess.Popen(  # noqa: S603 - no shell of the host reads the arguments
            arguments, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    began = time.monotonic()
    timer = threading.Timer(timeout + 3 * GRACE, process.kill)
    reader = threading.Thread(target=_pump, args=(process.stderr, on_errors or kept.add), daemon=True)
    timer.start()
    reader.start()
    try:
        _pump(process.stdout, on_output)
        rc = process.wait()
        reader.join()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    return Ended(rc, kept.text().strip(), rc in LATE and time.monotonic() - began >= timeout)


def run_program(container: str, program: ModuleType, action: str, arguments: Mapping[str, Any], **options: Any) -> None:
    """Run dstk's own program in a container, by the container's Python; takes the options of `run_inside`.

    Raises:
        NotebookError: it did not end well.
    """
    # by its loader: `inspect` shares a cache that the notebooks' threads would spoil for each other
    text = program.__loader__.get_source(program.__name__)
    command = ["python3", "-I", "-c", text, action, json.dumps(arguments)]
    ended = run_inside(container, command, **options)
    if ended.late:
        raise NotebookError(
            f"{container} did not finish within {options['timeout']:.0f} s", "run it again, with a longer --timeout"
        )
    if ended.rc:
        last = (ended.errors.splitlines() or [f"it ended with code {ended.rc}"])[-1]
        raise NotebookError(f"{container}: {last}", "see the message; `dstk run` looks into the notebook")


class Tail:
    """The end of what was written, within a limit, so that nobody can fill the memory."""

    def __init__(self, limit: int) -> None:
        """Take the limit in bytes."""
        self.limit, self.seen, self.data = limit, 0, b""

    def add(self, data: bytes) -> None:
        """Take more in."""
        self.seen += len(data)
        self.data = (self.data + data)[-self.limit :] if self.limit else b""

    @property
    def cut(self) -> int:
        """How many bytes are left out."""
        return self.seen - len(self.data)

    def text(self) -> str:
        """Answer the text; bytes that are none are marked."""
        return self.data.decode("utf-8", "replace")


class Lines:
    """The first line of what comes, which is an answer; the rest is handed on."""

    def __init__(self, on_rest: Callable[[bytes], None] | None = None) -> None:
        """Take who gets the rest."""
        self.on_rest, self.head, self.whole = on_rest, b"", False

    def add(self, data: bytes) -> None:
        """Take more in."""
        if not self.whole:
            self.head += data
            line, self.whole, data = self.head.partition(b"\n")[0], b"\n" in self.head, b""
            if self.whole:
                data, self.head = self.head[len(line) + 1 :], line
            if len(self.head) > LINE_BYTES:
                raise NotebookError("the notebook's answer has no end", "see what python3 is in the notebook")
        if data and self.on_rest:
            self.on_rest(data)

    def answer(self) -> dict[str, Any]:
        """Answer what the line says.

        Raises:
            NotebookError: it is no answer of dstk's program.
        """
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(self.head)
            if isinstance(document, dict):
                return document
        raise NotebookError("the notebook's answer makes no sense", "see what python3 is in the notebook")


def _pump(stream: IO[bytes] | None, on_data: Callable[[bytes], None]) -> None:
    if stream is None:
        return
    with stream:
        while data := os.read(stream.fileno(), CHUNK):
            on_data(data)
