#!/usr/bin/python3
"""Shut this host down when nobody has worked on it for a while. A timer runs it every minute, as root.

It asks each notebook's own Jupyter what is going on there, and says what it found in /run/dstk/idle.json and, when that
changes, in /var/log/dstk/idle.log. It needs nothing but Python: no program of dstk's has to run anywhere else.

Nothing that a student's server says, and no disk that is full, may keep it from the end of a look.
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
from collections.abc import Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from idle_judge import HOST, Memory, Seen, Verdict, announce, judge

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


@dataclass(frozen=True)
class Notebook:
    """A notebook's container, as Docker knows it."""

    student: str
    port: int
    pid: int
    running: bool


def find_notebooks(inspected: list[dict[str, Any]]) -> list[Notebook]:
    """Read what `docker inspect` says of the containers of students, one each.

    An upgrade that was killed leaves a second one, `dstk-<student>.before`: the one that runs counts.
    """
    found: dict[str, Notebook] = {}
    for entry in sorted(inspected, key=lambda entry: not entry["Name"].endswith(".before")):
        bindings = (entry["HostConfig"].get("PortBindings") or {}).get("8888/tcp") or [{}]
        state = entry["State"]
        # one that is restarted again and again runs nothing
        running = state["Status"] in ("running", "paused")
        student, port = entry["Config"]["Labels"]["dstk.student"], int(bindings[0].get("HostPort") or 0)
        if running or student not in found or not found[student].running:
            found[student] = Notebook(student, port, int(state.get("Pid") or 0), running)
    return [found[student] for student in sorted(found)]


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
    except Exception:  # a student's server says what it likes: brackets without end, numbers beyond all numbers
        return Seen(answers=False)


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
        if passed <= 0 or earlier is None or by_now is None:
            continue
        if (by_now - earlier) / passed >= BUSY_PROCESSORS:
            seen[student] = replace(found, computes=True, work=found.work or "processes are at work")
    return seen


def look_in_vain(students: Iterable[str]) -> dict[str, Seen]:
    """Answer what is found where Docker does not answer: nothing is known of notebooks, and so none is culled."""
    return {student: Seen(answers=False, computes=True) for student in students if student != HOST}


def read_json(path: Path) -> dict[str, Any]:
    """Read a file, empty where there is none or half of one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file whole, which everybody may read who may enter its folder; on a full disk it stays as it was."""
    temporary = path.with_suffix(".new")
    with suppress(OSError):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(path)


def show_time(moment: float) -> str:
    """Write a moment in ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def tell(verdict: Verdict, timeout: float, now: float, at_work: Container[str] = ()) -> None:
    """Tell the admin, the log and the notebooks.

    Args:
        verdict: what becomes of the host.
        timeout: seconds after which idle kernels are culled.
        now: the time, by which who reads it sees that the host still looks.
        at_work: students whose kernels are not culled, for something computes there, or did a while ago, that Jupyter
            does not see: a thread.
    """
    told = {
        "looked_at": show_time(now),
        "state": verdict.state,
        "since": show_time(verdict.since) if verdict.state in ("idle", "ending") else "",
        "stops_at": show_time(verdict.stops_at) if verdict.state in ("idle", "ending") else "",
        "why": verdict.why,
    }
    before = read_json(RUN / "idle.json")
    if (before.get("state"), before.get("why")) != (told["state"], told["why"]):
        write_log(now, verdict.state, "; ".join(f"{student}: {text}" for student, text in verdict.why.items()))
    write_json(RUN / "idle.json", told)
    for folder in SETTINGS.glob("*/jupyter"):
        notice = {
            "stops_at": verdict.stops_at if verdict.state == "ending" else None,
            "cull": 0 if folder.parent.name in at_work else int(timeout),
        }
        if read_json(folder / "idle.json") != notice:
            write_json(folder / "idle.json", notice)


def write_log(now: float, state: str, text: str) -> None:
    """Add a line to the log, where its disk has room; one log of before is kept."""
    with suppress(OSError):
        LOG.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if LOG.exists() and LOG.stat().st_size > LOG_BYTES:
            LOG.replace(LOG.with_suffix(".log.1"))
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"{show_time(now)} {state}: {text}\n")


def shut_down(verdict: Verdict, now: float) -> None:
    """Say why, and shut down, which for an instance of dstk means that it is stopped."""
    write_log(now, "stopping", f"nobody has worked here since {show_time(verdict.since)}")
    for folder in SETTINGS.glob("*/jupyter"):
        with suppress(OSError):
            (folder / "idle.json").unlink()
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
    memories = {student: Memory(*row) for student, row in before.get("memories", {}).items()}
    seen = look_in_vain(memories) if notebooks is None else look_at_all(notebooks, used, before, now)
    seen[HOST] = Seen(work=find_host_work(), answers=notebooks is not None)
    computed = before.get("computed", {}) | {student: moment for student, found in seen.items() if found.computes}
    verdict = judge(
        seen,
        memories,
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
        "computed": computed,
        "announced": (moment if announced is None else announced) if verdict.state == "ending" else None,
    }
    write_json(RUN / "idle-memory.json", memory)
    # what a thread made is not thrown away the moment that it is done
    tell(verdict, timeout, now, {student for student, last in computed.items() if moment - last < timeout})
    if verdict.state == "ending" and now >= verdict.stops_at:
        shut_down(verdict, now)


if __name__ == "__main__":
    main()
