"""How long dstk takes to provision a class, against a plain boto3 script: `bench/provision.py [N...]`.

Both speak to a sandbox that boots no hosts and was started for this measurement, so what is measured is the controller,
the number of calls, and the waiting that AWS's request buckets and instance states ask for. The table is written
into bench/RESULTS.md; all its times are of one run on one machine, so compare within a line only.
"""

from __future__ import annotations

import os
import resource
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from results import ensure_section

from dstk_runner import sandbox

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "RESULTS.md"
ABOUT = """\
Dedicated instances of a class, in a sandbox that boots no hosts, against a plain boto3 script that makes the same
resources with batched calls and cannot be run twice (`bench/provision_plain.py`). dstk is `ansible-playbook
playbooks/provision.yml`: network, key pair, instances, their tags, SSH answering, and the inventory read anew. Memory
is the most that the process tree had at a time. The machine's load was {load:.1f} on {cores} cores when it began.

The sandbox answers within milliseconds; where a round trip is named, it waits that long before each answer, as a region
on the other side of a country does. Goals, at 100 students: 2 times the plain script, a second run in 0.25 of the
first; at 300: less than 1024 MiB. About 2 of dstk's seconds pass before Ansible's first task, inventory included, and
each of the two modules that ask AWS takes about 1 to start: what is not work, a second run costs again.

"""
SIZES = (1, 10, 30, 100, 300)
DELAYED = (100,)
DELAY = 0.08
"""Seconds: the round trip that is added, for these sizes."""
VCPUS = "L-1216C47A"
SAMPLE_SECONDS = 0.2


class Greeter(socketserver.BaseRequestHandler):
    """Answers as the SSH server of an instance does."""

    def handle(self) -> None:
        """Greet."""
        self.request.sendall(b"SSH-2.0-greeter\r\n")


class Greeters(socketserver.ThreadingTCPServer):
    """Takes as many callers at once as there are hosts."""

    request_queue_size = 512
    daemon_threads = True


@dataclass(frozen=True)
class Measure:
    """One command: seconds by the clock and of CPU, calls of the API, and the most memory at a time in MiB."""

    seconds: float
    cpu: float
    calls: int
    memory: float


@dataclass(frozen=True)
class Line:
    """What was measured for one size of a class."""

    size: int
    delay: float
    plain: Measure
    first: Measure
    second: Measure
    destroy: Measure


@contextmanager
def aws(delay: float) -> Iterator[tuple[Path, dict[str, str]]]:
    """Start a sandbox with room for all, and yield its folder and the environment that leads to it."""
    with tempfile.TemporaryDirectory(prefix="dstk-bench-") as name:
        folder = Path(name)
        sandbox.up(mode="api", directory=folder)
        try:
            sandbox.ensure_quota(VCPUS, 10_000, directory=folder)
            sandbox.ensure_delay(delay, directory=folder)
            keep = {
                key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DSTK_", "ANSIBLE_"))
            }
            path = f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}"
            home = folder / "home"
            (home / ".ssh").mkdir(parents=True, mode=0o700)
            key = home / ".ssh" / "id_ed25519"
            make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
            subprocess.run(make_key, check=True)  # noqa: S603 - written above
            yield folder, {**keep, **sandbox.environment(directory=folder), "PATH": path, "HOME": str(home)}
        finally:
            sandbox.down(directory=folder)


def measure(command: list[str], folder: Path, environment: Mapping[str, str]) -> Measure:
    """Run a command to its end, and measure it."""
    calls, used = sum(sandbox.find_calls(directory=folder).values()), _cpu()
    started, memory = time.monotonic(), 0.0
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(  # noqa: S603 - written in this file
            command, cwd=ROOT, env=dict(environment), stdout=log, stderr=subprocess.STDOUT
        )
        while True:
            memory = max(memory, sum(_memory(pid) for pid in _tree(process.pid)))
            try:
                code = process.wait(timeout=SAMPLE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        if code:
            log.seek(0)
            sys.exit(f"{' '.join(command)} ended with {code}:\n{log.read()[-3000:]}")
    seconds = time.monotonic() - started
    return Measure(seconds, _cpu() - used, sum(sandbox.find_calls(directory=folder).values()) - calls, memory)


def measure_size(size: int, delay: float) -> Line:
    """Measure the script, and dstk's first and second run and its destroy, for a class of this size."""
    with aws(delay) as (folder, environment):
        key = folder / "home" / ".ssh" / "id_ed25519.pub"
        plain = measure(
            [sys.executable, str(ROOT / "bench" / "provision_plain.py"), str(size), str(key)], folder, environment
        )
    with aws(delay) as (folder, environment), Greeters(("0.0.0.0", 0), Greeter) as greeters:  # noqa: S104 - one for each host
        threading.Thread(target=greeters.serve_forever, daemon=True).start()
        (folder / "roster.csv").write_text("login\n" + "".join(f"student{n:03d}\n" for n in range(1, size + 1)))
        (folder / "dstk.yml").write_text("deployment: bench\nroster: roster.csv\n")
        more = ["-e", f"dstk_config={folder / 'dstk.yml'}", "-e", f"ec2_instance_ssh_port={greeters.server_address[1]}"]
        first, second, destroy = (
            measure(["ansible-playbook", f"playbooks/{name}.yml", *more], folder, environment)
            for name in ("provision", "provision", "destroy")
        )
        greeters.shutdown()
    return Line(size, delay, plain, first, second, destroy)


def render(lines: list[Line]) -> str:
    """Answer the table."""
    rows = [
        "| students | round trip | plain script | dstk / plain | CPU of dstk | calls, plain | calls, dstk "
        "| second run / first | calls, second run | destroy / plain | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for line in lines:
        plain, first, second = line.plain, line.first, line.second
        memory = max(first.memory, second.memory)
        rows.append(
            f"| {line.size} | {line.delay * 1000:.0f} ms | {plain.seconds:.1f} s | {first.seconds / plain.seconds:.1f} "
            f"| {first.cpu:.1f} s | {plain.calls} | {first.calls} | {second.seconds / first.seconds:.2f} "
            f"| {second.calls} | {line.destroy.seconds / plain.seconds:.1f} | {memory:.0f} MiB |"
        )
    return "\n".join(rows)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(number for child in children for number in _tree(int(child)))]


def _memory(pid: int) -> float:
    """Answer the memory of a process in MiB, its part of what it shares with others: a fork shares nearly all."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)


if __name__ == "__main__":
    about = ABOUT.format(load=os.getloadavg()[0], cores=os.cpu_count())
    found = []
    sizes = [int(text) for text in sys.argv[1:]] or SIZES
    for number, wait in [*((size, 0.0) for size in sizes), *((size, DELAY) for size in sizes if size in DELAYED)]:
        found.append(measure_size(number, wait))
        sys.stdout.write(f"{render(found).splitlines()[-1]}\n")
        sys.stdout.flush()
        ensure_section(RESULTS, "provision", about + render(found))
