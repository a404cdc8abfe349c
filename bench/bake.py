#!/usr/bin/env python3
"""`dstk up` on Ubuntu's own image against `dstk up` from a baked one, on real hosts of the sandbox.

`bench/bake.py [--repeats 3] [--results bench/RESULTS.md]`. Both ways run in turns, in one run on one machine, so that
what counts are the ratios. The bake comes first: what it pulls from the network is near by when anything is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results import ensure_section

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
DEPLOYMENT = "bench"
OPTIONS = ("--sandbox", "--deployment", DEPLOYMENT)
#: What dstk's own installations have in apt's log, and those of unattended-upgrades and of the image's maker have not.
OWN = "Dpkg::Options"
LOOK = f"grep -c {OWN} /var/log/apt/history.log; wc -c </var/log/dstk/pull.log"

ABOUT = """\
One notebook, from `dstk up` to its link: a host is launched and boots, is configured, and JupyterLab answers through
the proxy. *plain* is Ubuntu's own image, on which dstk installs its packages and pulls the notebook image; *baked* is
what `dstk bake` made of such a host. Both in turns, in one run on {day}.
The machine: {machine}; its load was {load:.1f} when it
began and {end:.1f} when it ended{others}.

What the sandbox cannot show:
- Its notebook image has {image:.1f} GB and comes from a registry on this machine; the public one has about 5 GB and
  comes from quay.io. Packages come from a mirror near by. On AWS a baked image saves more by that.
- A volume made of a snapshot is slow on AWS until each block was read once, for it is fetched from S3 then; here the
  disk of a baked host is there at once. On AWS a baked image saves less by that. How much, nobody has measured.
- AWS's own times, for a launch and for the image (minutes), are not in it.

"""


@dataclass(frozen=True)
class Way:
    """A `dstk up`: seconds in all and by stage, apt's runs and the bytes of the log of the image's pull."""

    total: float
    stages: Mapping[str, float]
    installations: int
    pulled: int


def main() -> None:
    """Bake, compare, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "RESULTS.md")
    wanted = parser.parse_args()
    load = os.getloadavg()[0]
    with open_sandbox() as user:
        say("The machine image is baked")
        baking = user.measure("bake", "--yes")
        pairs = []
        for number in range(wanted.repeats):
            found: dict[str, Way] = {}
            # who comes second finds the machine warmer: they take turns
            for name in ("never", "auto") if number % 2 == 0 else ("auto", "never"):
                say(f"{number + 1} of {wanted.repeats}: up with `baked: {name}`")
                found[name] = user.bring_up(name)
            pairs.append((found["never"], found["auto"]))
    about = ABOUT.format(
        day=datetime.now(UTC).date(),
        machine=describe_machine(),
        load=load,
        end=os.getloadavg()[0],
        others=", so others worked on it, too" if load > 1 else "",
        image=find_image_size() / 1e9,
    )
    table = find_table(pairs, baking)
    sys.stdout.write(f"{table}\n")
    ensure_section(wanted.results, "bake", about + table)


@dataclass(frozen=True)
class User:
    """A folder and an environment, and the `dstk` command in it."""

    folder: Path
    environment: dict[str, str]

    def dstk(self, *words: str, **settings: str) -> str:
        """Run `dstk` to its end, and answer what it printed."""
        command = [str(BIN / "dstk"), *words]
        environment = self.environment | settings
        done = subprocess.run(  # noqa: S603 - written in this file
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    def measure(self, *words: str, **settings: str) -> tuple[float, Mapping[str, float]]:
        """Run `dstk`, and answer the seconds that it took, in all and by stage, which it remembers itself."""
        started = time.monotonic()
        self.dstk(*words, *OPTIONS, **settings)
        total = time.monotonic() - started
        kept = Path(self.environment["HOME"], ".local/share/dstk", DEPLOYMENT, "pace.json")
        stages: dict[str, float] = json.loads(kept.read_text(encoding="utf-8"))[words[0]]
        return total, stages

    def bring_up(self, baked: str) -> Way:
        """Bring a notebook up, see which way that was, and take it away again with its disks."""
        total, stages = self.measure("up", "--yes", DSTK_BAKED=baked)
        # grep ends with 1 where it counts none
        told = self.dstk("ssh", *OPTIONS, "--", "sudo", "sh", "-c", f"'{LOOK}; true'").split()
        self.dstk("destroy", "--yes", "--delete-data", "--no-final-backup", *OPTIONS)
        return Way(total, stages, *(int(word) for word in told))


@contextmanager
def open_sandbox() -> Iterator[User]:
    """A sandbox and a home that are gone afterwards, with the machine images made in it."""
    foreign = ("AWS_", "DSTK_", "ANSIBLE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with tempfile.TemporaryDirectory(prefix="dstk-bench-") as name:
        home = Path(name, "home")
        home.mkdir()
        user = User(home, kept | {"HOME": str(home), "DSTK_SANDBOX_DIR": str(Path(name, "sandbox")), "USER": "ada"})
        say("The sandbox starts")
        user.dstk("sandbox", "up")
        try:
            yield user
            user.dstk("bake", "--delete", "all", "--yes", *OPTIONS)
        finally:
            user.dstk("sandbox", "down")


def find_table(pairs: Sequence[tuple[Way, Way]], baking: tuple[float, Mapping[str, float]]) -> str:
    """Answer the table of the results, and their middle."""
    rows = [
        "| | plain: all, s | provision | configure | baked: all, s | provision | configure | baked / plain |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for number, (plain, baked) in enumerate(pairs, start=1):
        cells = [*find_seconds(plain), *find_seconds(baked)]
        rows.append(f"| {number} | {' | '.join(f'{cell:.1f}' for cell in cells)} | {baked.total / plain.total:.2f} |")
    middles = [
        statistics.median(column)
        for column in zip(*([*find_seconds(plain), *find_seconds(baked)] for plain, baked in pairs), strict=True)
    ]
    ratios = sorted(baked.total / plain.total for plain, baked in pairs)
    middle = statistics.median(ratios)
    rows.append(f"| median | {' | '.join(f'{cell:.1f}' for cell in middles)} | {middle:.2f} |")
    configured = sorted(baked.stages["configure"] / plain.stages["configure"] for plain, baked in pairs)
    plains, bakeds = [plain for plain, _ in pairs], [baked for _, baked in pairs]
    return "\n".join(
        [
            *rows,
            "",
            f"From a baked image `up` takes {middle:.2f} of the time ({ratios[0]:.2f} to {ratios[-1]:.2f}), and its "
            f"part `configure` {statistics.median(configured):.2f} ({configured[0]:.2f} to {configured[-1]:.2f}).",
            f"apt was run {tell(way.installations for way in plains)} times on a plain host and "
            f"{tell(way.installations for way in bakeds)} times on a baked one; the log of the image's pull had "
            f"{tell(way.pulled for way in plains)} bytes and {tell(way.pulled for way in bakeds)}.",
            f"The bake itself took {baking[0]:.0f} s, once.",
        ]
    )


def find_seconds(way: Way) -> tuple[float, float, float]:
    """Answer the seconds that are told of a way."""
    return way.total, way.stages["provision"], way.stages["configure"]


def tell(numbers: Iterator[int]) -> str:
    """Say which numbers there were, each once."""
    return " or ".join(str(number) for number in sorted(set(numbers)))


def describe_machine() -> str:
    """Answer processors and memory of this machine."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} processors ({model or 'unknown'}) and {memory:.0f} GiB for hosts and controller"


def find_image_size() -> int:
    """Answer the bytes of the sandbox's notebook image."""
    asked = ["docker", "image", "ls", "--quiet", "dstk-sandbox-notebook"]
    ids = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    sizes: Any = subprocess.run(  # noqa: S603
        ["docker", "image", "inspect", "--format", "{{.Size}}", *ids],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return max(int(size) for size in sizes)


def say(text: str) -> None:
    """Tell what is going on."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
