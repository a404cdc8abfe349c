#!/usr/bin/python3
"""Let nothing be lost when AWS takes this spot instance back. A service of systemd that runs as root all the time.

It asks the instance metadata service every few seconds whether there is a notice, as AWS recommends. Where there is
one, each JupyterLab is told of it and saves what is open; before the time the notebooks are stopped, and their homes
written and unmounted. What was stopped here is started here: at the next boot, or where the notice is withdrawn. It
needs nothing but Python.
"""

from __future__ import annotations

import calendar
import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE = ("169.254.169.254", 80)
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html"""
SETTINGS = Path("/etc/dstk")
RUN = Path("/run/dstk")
LOG = Path("/var/log/dstk/spot.log")
MEMORY = Path("/var/lib/dstk/spot.json")
"""What was stopped and unmounted; it outlives a stop of the host."""
MOUNTS = Path("/proc/self/mounts")
HOMES = "/srv/dstk"

ASK_SECONDS = 2
"""What an answer of the metadata service may take; it takes a thousandth of that."""
TOKEN_SECONDS = 21600
STOP_SECONDS = 10
"""In which JupyterLab ends its kernels, before it is ended itself."""
LOG_BYTES = 1_000_000
FAULTS = (OSError, ValueError, KeyError, TypeError, http.client.HTTPException, subprocess.SubprocessError)


@dataclass(frozen=True)
class Notice:
    """What AWS does with the instance, and when, in seconds since 1970."""

    action: str
    ends_at: float


class Service:
    """The instance metadata service, version 2: each question shows a token, which is asked for first."""

    def __init__(self) -> None:
        """Know no token yet."""
        self.token = ""

    def find_notice(self) -> Notice | None:
        """Answer the notice, None where there is none.

        Raises:
            OSError, ValueError, KeyError, http.client.HTTPException: the service does not answer, or says what nobody
                can make sense of.
        """
        for _ in range(2):
            if not self.token:
                wish = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
                status, self.token = ask("PUT", "/latest/api/token", wish)
                if status != 200:
                    break
            shown = {"X-aws-ec2-metadata-token": self.token}
            status, text = ask("GET", "/latest/meta-data/spot/instance-action", shown)
            if status != 401:
                break
            self.token = ""  # it has ended
        if status == 404:
            return None
        if status != 200:
            self.token = ""
            raise OSError(f"the metadata service answers with {status}")
        return parse_notice(text)


def ask(method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Ask the service, by no proxy, and answer the status and the text."""
    connection = http.client.HTTPConnection(*SERVICE, timeout=ASK_SECONDS)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(10_000).decode()
    finally:
        connection.close()


def parse_notice(text: str) -> Notice:
    """Read what the service says, such as {"action": "stop", "time": "2026-11-26T04:00:00Z"}."""
    told = json.loads(text)
    ends_at = float(calendar.timegm(time.strptime(str(told["time"]), "%Y-%m-%dT%H:%M:%SZ")))
    return Notice(str(told["action"]), ends_at)


def find_stop(ends_at: float, now: float, margin: float) -> float:
    """Answer when the notebooks are stopped: before the end, and not before those who work there can have saved.

    Args:
        ends_at: when AWS takes the instance back.
        now: when that became known. AWS promises two minutes, and not that it keeps to them.
        margin: seconds before the end, at most half of what is left.
    """
    return ends_at - min(margin, max(0.0, ends_at - now) / 2)


def find_mounts(text: str, below: str) -> list[str]:
    """Answer what is mounted on a folder and below it, the deepest first.

    Args:
        text: of /proc/mounts, which writes a space as ``\\040``.
        below: the folder.
    """
    paths = [line.split()[1] for line in text.splitlines()]
    found = {path for path in paths if path == below or path.startswith(f"{below}/")}
    return sorted(found, key=lambda path: (-path.count("/"), path))


class Keeper:
    """What is known of the end of this host, from one look to the next."""

    def __init__(self, margin: float, clock: Callable[[], float] = time.time) -> None:
        """Take the seconds before the end at which the notebooks are stopped."""
        self.margin = margin
        self.clock = clock
        self.notice: Notice | None = None
        self.stops_at = 0.0
        self.stopped = False
        self.settled = False

    def see(self, notice: Notice | None) -> None:
        """Do what a look asks for: the first of a notice, the one when it is time, and the first without one."""
        now = self.clock()
        if notice is None:
            if self.notice is not None:
                write_log(now, "AWS has withdrawn its notice")
                self.notice, self.stopped, self.settled = None, False, False
            if not self.settled:
                withdraw()
                bring_back(now)
                self.settled = True
            return
        if notice != self.notice:
            self.notice, self.stops_at = notice, find_stop(notice.ends_at, now, self.margin)
            tell(notice, self.stops_at, now)
        if not self.stopped and now >= self.stops_at:
            stop_notebooks(self.clock)
            self.stopped = True

    def find_pause(self, interval: float) -> float:
        """Answer the seconds until the next look."""
        if self.notice is None or self.stopped:
            return interval
        return min(interval, max(0.5, self.stops_at - self.clock()))


def tell(notice: Notice, stops_at: float, now: float) -> None:
    """Tell the log, the admin and the notebooks."""
    write_log(now, f"AWS will {notice.action} this instance at {show_time(notice.ends_at)}; all that is open is saved")
    ends, stops = show_time(notice.ends_at), show_time(stops_at)
    write_json(RUN / "spot.json", {"since": show_time(now), "ends_at": ends, "stops_at": stops})
    for folder in SETTINGS.glob("*/jupyter"):
        write_json(folder / "spot.json", {"stops_at": stops_at})


def withdraw() -> None:
    """Let nobody be told of an end any more."""
    for path in (RUN / "spot.json", *SETTINGS.glob("*/jupyter/spot.json")):
        path.unlink(missing_ok=True)


def stop_notebooks(clock: Callable[[], float]) -> None:
    """End the notebooks as a stop of the host would, and let everything be on its disk.

    Raises:
        OSError, subprocess.SubprocessError: Docker does not do it; what is written is on its disk all the same.
    """
    memory = {"containers": [], "mounts": [], **read_json(MEMORY)}
    try:
        names = run("docker", "ps", "--filter", "label=dstk.student", "--format", "{{.Names}}").split()
        # before they are stopped: at a boot Docker starts nothing that somebody stopped by hand
        memory["containers"] = sorted({*memory["containers"], *names})
        write_json(MEMORY, memory)
        if names:
            run("docker", "stop", "--time", str(STOP_SECONDS), *names, patience=STOP_SECONDS + 20)
    finally:
        os.sync()
    for path in find_mounts(MOUNTS.read_text(encoding="utf-8"), HOMES):
        if unmount(path):
            memory["mounts"] = [path, *memory["mounts"]]
            write_json(MEMORY, memory)
        else:
            write_log(clock(), f"{path} is still in use: what was written there is on its disk, and it stays mounted")
    os.sync()
    write_log(clock(), f"stopped {', '.join(names) or 'no notebook'}, unmounted {len(memory['mounts'])} file systems")


def unmount(path: str) -> bool:
    """Unmount a file system; a container that was stopped holds it for a moment longer."""
    for _ in range(10):
        try:
            run("umount", path)
        except subprocess.SubprocessError:
            time.sleep(0.2)
        else:
            return True
    return False


def bring_back(now: float) -> None:
    """Start what was stopped here, on the homes that it had.

    Raises:
        OSError, subprocess.SubprocessError: that is not to be had; the next look tries again.
    """
    if not MEMORY.exists():
        return
    memory = read_json(MEMORY)
    away = [path for path in memory.get("mounts", []) if not os.path.ismount(path)]
    if away:
        # what was mounted by hand is known to systemd by fstab, which may be newer than what it has read of it
        run("systemctl", "daemon-reload")
        run("systemctl", "start", *(run("systemd-escape", "--path", "--suffix=mount", path).strip() for path in away))
    there = run("docker", "ps", "--all", "--filter", "label=dstk.student", "--format", "{{.Names}}").split()
    names = [name for name in memory.get("containers", []) if name in there]
    if names:
        run("docker", "start", *names)
    MEMORY.unlink()
    write_log(now, f"started {', '.join(names) or 'no notebook'}")


def run(*command: str, patience: float = 30) -> str:
    """Run a command and answer what it printed.

    Raises:
        OSError, subprocess.SubprocessError: it failed, or took longer than so many seconds.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience)  # noqa: S603
    return done.stdout


def read_json(path: Path) -> dict[str, Any]:
    """Read a file, empty where there is none or half of one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file whole, which everybody may read who may enter its folder."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(values) + "\n", encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(path)


def show_time(moment: float) -> str:
    """Write a moment in ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def write_log(now: float, text: str) -> None:
    """Add a line to the log; one log of before is kept."""
    LOG.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if LOG.exists() and LOG.stat().st_size > LOG_BYTES:
        LOG.replace(LOG.with_suffix(".log.1"))
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{show_time(now)} {text}\n")


def explain(error: BaseException) -> str:
    """Say in a line what went wrong."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
    return " ".join(f"{error}: {said or ''}".split()).rstrip(": ")


def look(service: Service, keeper: Keeper) -> str:
    """Look once, and say what went wrong; empty where nothing did."""
    notice, faults = keeper.notice, []
    try:
        notice = service.find_notice()
    except FAULTS as error:
        faults.append(explain(error))  # what was known goes on to count
    try:
        keeper.see(notice)
    except FAULTS as error:
        faults.append(explain(error))
    return "; ".join(faults)


def main() -> None:
    """Look for ever. What goes wrong is told once, and tried again."""
    settings = read_json(SETTINGS / "spot.json")
    service, keeper, before = Service(), Keeper(settings["margin"]), ""
    while True:
        fault = look(service, keeper)
        if fault and fault != before:
            write_log(time.time(), fault)
        before = fault
        time.sleep(keeper.find_pause(settings["interval"]))


if __name__ == "__main__":
    main()
