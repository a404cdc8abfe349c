#!/usr/bin/python3
"""Shut this host down when nobody has worked on it for a while. A timer runs it every minute, as root.

It asks each notebook's own Jupyter what is going on there, and says what it found in /run/dstk/idle.json and, when that
changes, in /var/log/dstk/idle.log. It needs nothing but Python: no program of dstk's has to run anywhere else.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/dstk")
RUN = Path("/run/dstk")
LOG = Path("/var/log/dstk/idle.log")
PROCESSES = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")

ASK_SECONDS = 10
"""What asking a notebook may take in all."""
ANSWER_BYTES = 1_000_000
BUSY_PROCESSORS = 0.2
"""Of a processor, from which on processes are at work that no kernel tells of. An open JupyterLab takes a hundredth."""
LOG_BYTES = 1_000_000
HOST_WORK = {
    rb"^sshd(-session)?: \S+@pts/": "somebody is logged in by SSH",
    rb"^(\S*/)?docker\0(pull|build|exec)\0": "dstk is at work on the host",
    rb"^(\S*/)?apt-get\0|/apt\.systemd\.daily\0": "packages are being installed",
}
"""What holds the host up beside its notebooks, by the command lines of processes."""
HOST = "(host)"
"""Under which what is not a notebook's stands; no login has a bracket."""


@dataclass(frozen=True)
class Notebook:
    """A notebook's container, as Docker knows it."""

    student: str
    port: int
    pid: int
    running: bool


@dataclass(frozen=True)
class Seen:
    """What one look found. `work` says what goes on now; `last` is when something last did, in seconds since 1970."""

    work: str = ""
    open: bool = False
    answers: bool = True
    running: bool = True
    last: float = 0.0


@dataclass(frozen=True)
class Memory:
    """What is known of a notebook from the look before: when it was last at work, and when it last counted as such."""

    real: float = 0.0
    counted: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What becomes of the host: it is busy, idle, ending or off. Times are in seconds since 1970."""

    state: str
    since: float
    stops_at: float
    why: dict[str, str]
    memories: dict[str, Memory]


def find_notebooks(inspected: list[dict[str, Any]]) -> list[Notebook]:
    """Read what `docker inspect` says of the containers of students."""
    found = []
    for entry in inspected:
        bindings = (entry["HostConfig"].get("PortBindings") or {}).get("8888/tcp") or [{}]
        state = entry["State"]
        # one that is restarted again and again runs nothing
        running = state["Status"] in ("running", "paused")
        port = int(bindings[0].get("HostPort") or 0)
        found.append(Notebook(entry["Config"]["Labels"]["dstk.student"], port, int(state.get("Pid") or 0), running))
    return sorted(found, key=lambda notebook: notebook.student)


def make_cookie(student: str, key: bytes, hashed_password: str, now: float) -> str:
    """Make the cookie of a login, as the notebook's Jupyter does, so that no other secret has to be kept anywhere.

    jupyter_server signs with a key made of its cookie secret and the hash of the password; tornado's format, version 2.
    """
    user = dict.fromkeys(("name", "display_name", "initials", "avatar_url", "color"), "dstk")
    value = base64.b64encode(json.dumps({"username": "dstk", **user}).encode())
    parts = [b"0", str(int(now)).encode(), f"dstk-{student}".encode(), value]
    text = b"|".join([b"2", *(b"%d:%s" % (len(part), part) for part in parts), b""])
    secret = hmac.new(key, hashed_password.encode(), hashlib.sha256).digest()
    return (text + hmac.new(secret, text, hashlib.sha256).hexdigest().encode()).decode()


def ask(notebook: Notebook, path: str, cookie: str, deadline: float) -> Any:
    """Ask a notebook's Jupyter, and answer what it said; None where there is no such thing.

    Raises:
        OSError, ValueError, http.client.HTTPException: there is no answer to be had. A student may have Jupyter say
            anything at any pace, hence the limits.
    """
    connection = http.client.HTTPConnection("127.0.0.1", notebook.port, timeout=max(0.1, deadline - time.monotonic()))
    # a key of one's own against forged requests, in both places where it is looked for
    headers = {"Cookie": f"dstk-{notebook.student}={cookie}; _xsrf=dstk", "X-XSRFToken": "dstk"}
    try:
        connection.request("GET", f"/{notebook.student}/api/{path}?no_track_activity=1", headers=headers)
        answer = connection.getresponse()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ValueError(f"{path}: {answer.status}")
        body = b""
        while part := answer.read1(65536):
            body += part
            if len(body) > ANSWER_BYTES or time.monotonic() > deadline:
                raise ValueError(f"{path}: no end")
        return json.loads(body)
    finally:
        connection.close()


def parse_moment(text: Any) -> float:
    """Read a time as Jupyter writes it, to the second."""
    return float(calendar.timegm(time.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S")))


def find_busy(kernels: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> str:
    """Say which kernels compute, by the notebooks that they belong to; empty where none does."""
    paths = {str((session.get("kernel") or {}).get("id")): str(session.get("path", "")) for session in sessions}
    busy = [str(kernel.get("id")) for kernel in kernels if kernel.get("execution_state") == "busy"]
    names = sorted({clean(paths.get(kernel, "")) for kernel in busy} - {""})
    if not busy:
        return ""
    return f"a kernel is busy: {', '.join(names[:3])}" if names else "a kernel is busy"


def clean(text: str) -> str:
    """Make a name that a student chose fit to be printed on an admin's terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:80]


def look(notebook: Notebook, now: float) -> Seen:
    """Ask one notebook what goes on there."""
    if not notebook.running:
        return Seen(answers=False, running=False)
    folder, deadline = SETTINGS / notebook.student / "jupyter", time.monotonic() + ASK_SECONDS
    try:
        key = (folder / "cookie_secret").read_bytes()
        settings = json.loads((folder / "jupyter_server_config.json").read_text(encoding="utf-8"))
        cookie = make_cookie(notebook.student, key, settings["PasswordIdentityProvider"]["hashed_password"], now)
        status, kernels, sessions, terminals = (
            ask(notebook, path, cookie, deadline) for path in ("status", "kernels", "sessions", "terminals")
        )
        moments = [status["last_activity"], *(item["last_activity"] for item in [*kernels, *(terminals or [])])]
        return Seen(
            work=find_busy(kernels, sessions or []),
            open=any(int(kernel.get("connections") or 0) > 0 for kernel in kernels),
            # a clock that a student set ahead moves nothing
            last=min(now, max(map(parse_moment, moments))),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, http.client.HTTPException):
        return Seen(answers=False)


def judge(
    seen: dict[str, Seen], before: dict[str, Memory], *, now: float, started: float, timeout: float, patience: float
) -> Verdict:
    """Say what becomes of the host.

    Args:
        seen: what this look found, by student.
        before: what the look before left behind.
        now: the time.
        started: when the host started, which counts as work.
        timeout: seconds without work after which it stops.
        patience: seconds for which a browser that is open, or a Jupyter that does not answer, counts as work although
            nothing goes on. A tab that was forgotten is what keeps most machines from stopping.
    """
    memories, why, held = {}, {}, False
    for student, found in seen.items():
        # one that nobody has looked at before has just been made, or was served by a run of dstk
        old = before.get(student, Memory(now, now))
        # a clock that was set back leaves moments behind that are yet to come
        real = now if found.work else max(started, found.last, min(old.real, now))
        waits = found.running and (found.open or not found.answers)
        counts = bool(found.work) or (waits and now - real < patience)
        memories[student] = Memory(real, now if counts else max(real, min(old.counted, now)))
        if found.work or student != HOST:
            why[student] = explain(found, counts)
        held |= counts
    since = max([started, *(memory.counted for memory in memories.values())])
    return Verdict("busy" if held else "idle", since, since + timeout, why, memories)


def explain(found: Seen, counts: bool) -> str:
    """Say of one notebook why it holds the host, or does not."""
    if found.work:
        return found.work
    if not found.running:
        return "the notebook is stopped"
    if not found.answers:
        return "JupyterLab does not answer" + (", which counts as work for a while" if counts else "")
    if found.open:
        return "a notebook is open in a browser" + ("" if counts else ", and nothing has gone on in it for long")
    return "nothing runs"


def announce(verdict: Verdict, *, now: float, announced_for: float | None, warning: float) -> Verdict:
    """Say whether the end is near. It never comes before it has been announced for as long as `warning` says.

    Args:
        verdict: what `judge` said.
        now: the time.
        announced_for: seconds since it was announced, by a clock that nobody sets; None where it was not.
        warning: seconds.
    """
    if verdict.state != "idle" or now < verdict.stops_at - warning:
        return verdict
    return replace(verdict, state="ending", stops_at=max(verdict.stops_at, now + warning - (announced_for or 0.0)))


def find_processor_seconds(pid: int) -> float | None:
    """Answer the processor time that a container has used, by its first process; control groups of version 1 or 2."""
    try:
        for line in (PROCESSES / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if "cpuacct" in controllers.split(","):
                return int((CGROUPS / "cpuacct" / path.lstrip("/") / "cpuacct.usage").read_text()) / 1e9
            if not controllers and (stat := CGROUPS / path.lstrip("/") / "cpu.stat").exists():
                return int(stat.read_text().split()[1]) / 1e6
    except (OSError, ValueError, IndexError):
        return None
    return None


def find_host_work() -> str:
    """Say what goes on on the host beside the notebooks; that dstk looks at them is no work."""
    for folder in PROCESSES.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        for pattern, text in HOST_WORK.items():
            if re.search(pattern, command):
                return text
    return ""


def inspect_notebooks() -> list[Notebook] | None:
    """Ask Docker for the containers of students; None where it does not answer."""
    try:
        listed = run("docker", "ps", "--all", "--quiet", "--filter", "label=dstk.student").split()
        return find_notebooks(json.loads(run("docker", "inspect", *listed))) if listed else []
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def run(*command: str) -> str:
    """Run a command and answer what it printed."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout  # noqa: S603


def look_at_all(
    notebooks: list[Notebook], used: dict[str, float | None], before: dict[str, Any], now: float
) -> dict[str, Seen]:
    """Look at all notebooks at once, and at what else goes on.

    Args:
        notebooks: those that there are.
        used: the processor time of each by now.
        before: `used` and `moment` (of a clock that nobody sets) of the look before.
        now: the time.
    """
    with ThreadPoolExecutor(8) as pool:
        seen = dict(zip((n.student for n in notebooks), pool.map(lambda n: look(n, now), notebooks), strict=True))
    passed = time.monotonic() - before.get("moment", time.monotonic())
    for student, found in seen.items():
        earlier, by_now = before.get("used", {}).get(student), used.get(student)
        if found.work or passed <= 0 or earlier is None or by_now is None:
            continue
        if (by_now - earlier) / passed >= BUSY_PROCESSORS:
            seen[student] = replace(found, work="processes are at work")
    return seen


def read_json(path: Path) -> dict[str, Any]:
    """Read a file, empty where there is none or half of one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file whole, which everybody may read who may enter its folder."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")
    temporary.chmod(0o644)
    temporary.replace(path)


def show_time(moment: float) -> str:
    """Write a moment in ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def tell(verdict: Verdict, timeout: float, now: float) -> None:
    """Tell the admin, the log and the notebooks."""
    told = {
        "state": verdict.state,
        "since": show_time(verdict.since) if verdict.state in ("idle", "ending") else "",
        "stops_at": show_time(verdict.stops_at) if verdict.state in ("idle", "ending") else "",
        "why": verdict.why,
    }
    before = read_json(RUN / "idle.json")
    if (before.get("state"), before.get("why")) != (told["state"], told["why"]):
        write_log(now, verdict.state, "; ".join(f"{student}: {text}" for student, text in verdict.why.items()))
    write_json(RUN / "idle.json", told)
    notice = {"stops_at": verdict.stops_at if verdict.state == "ending" else None, "cull": int(timeout)}
    for folder in SETTINGS.glob("*/jupyter"):
        if read_json(folder / "idle.json") != notice:
            write_json(folder / "idle.json", notice)


def write_log(now: float, state: str, text: str) -> None:
    """Add a line to the log; one log of before is kept."""
    LOG.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if LOG.exists() and LOG.stat().st_size > LOG_BYTES:
        LOG.replace(LOG.with_suffix(".log.1"))
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{show_time(now)} {state}: {text}\n")


def shut_down(verdict: Verdict, now: float) -> None:
    """Say why, and shut down, which for an instance of dstk means that it is stopped."""
    write_log(now, "stopping", f"nobody has worked here since {show_time(verdict.since)}")
    for folder in SETTINGS.glob("*/jupyter"):
        (folder / "idle.json").unlink(missing_ok=True)
    os.sync()
    run("systemctl", "poweroff")


def main() -> None:
    """Look once."""
    settings = read_json(SETTINGS / "idle.json")
    now, moment, timeout, warning = time.time(), time.monotonic(), settings["timeout"], settings["warning"]
    if timeout <= 0:
        tell(Verdict("off", now, now, {}, {}), 0, now)
        return
    before = read_json(RUN / "idle-memory.json")
    notebooks = inspect_notebooks()
    used = {notebook.student: find_processor_seconds(notebook.pid) for notebook in notebooks or []}
    seen = look_at_all(notebooks or [], used, before, now)
    seen[HOST] = Seen(work="Docker does not answer" if notebooks is None else find_host_work())
    verdict = judge(
        seen,
        {student: Memory(*row) for student, row in before.get("memories", {}).items()},
        now=now,
        started=now - float((PROCESSES / "uptime").read_text(encoding="utf-8").split()[0]),
        timeout=timeout,
        patience=max(0.0, settings["connected"] - timeout),
    )
    announced = before.get("announced")
    verdict = announce(
        verdict, now=now, announced_for=None if announced is None else moment - announced, warning=warning
    )
    memory = {
        "memories": {student: [row.real, row.counted] for student, row in verdict.memories.items()},
        "moment": moment,
        "used": used,
        "announced": (moment if announced is None else announced) if verdict.state == "ending" else None,
    }
    write_json(RUN / "idle-memory.json", memory)
    tell(verdict, timeout, now)
    if verdict.state == "ending" and now >= verdict.stops_at:
        shut_down(verdict, now)


if __name__ == "__main__":
    main()
