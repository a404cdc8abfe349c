"""What this machine's own package manager can say and do: its distribution, its archives, its packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dstk_runner.sandbox.errors import SandboxError

#: Told, one sentence at a time, what takes long or changes the machine.
Progress = Callable[[str], None]

#: Who signs the archives a root file system is made from; other vendors' archives have no place in it.
DISTRIBUTIONS = {"debian": "Debian", "ubuntu": "Ubuntu"}

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Distribution:
    """A release of Debian or Ubuntu: its id as in os-release, and its code name."""

    id: str
    codename: str


def parse_os_release(text: str) -> Distribution:
    """Read the text of /etc/os-release; a derivative counts as what it says it is like, if it shares the code name."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    values = {key: value.strip().strip("\"'") for key, value in fields.items()}
    candidates = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    known = next((name for name in candidates if name in DISTRIBUTIONS), "")
    codename = values.get("UBUNTU_CODENAME" if known == "ubuntu" else "VERSION_CODENAME", "")
    codename = codename or values.get("VERSION_CODENAME", "")
    if not known or not codename:
        raise SandboxError(
            f"the sandbox's machines are made from Debian or Ubuntu packages; this is {values.get('ID', 'unknown')}",
            "run the sandbox on Debian or Ubuntu, or in a virtual machine of one",
        )
    return Distribution(id=known, codename=codename)


def find_distribution() -> Distribution:
    """Return the distribution of this machine."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    return parse_os_release(text)


def parse_archives(targets: str, distribution: Distribution) -> tuple[str, ...]:
    """Turn `URI|release|component|origin` lines into one-line sources of the distribution's own archives, sorted."""
    components: dict[tuple[str, str], list[str]] = {}
    for line in targets.splitlines():
        uri, release, component, origin = line.split("|")
        own = origin == DISTRIBUTIONS[distribution.id]
        if own and release.split("-")[0] == distribution.codename and not release.endswith("-backports"):
            components.setdefault((uri, release), []).append(component)
    return tuple(
        f"deb {uri} {release} {' '.join(dict.fromkeys(names))}" for (uri, release), names in components.items()
    )


def find_archives(distribution: Distribution) -> tuple[str, ...]:
    """Return the distribution's archives that this machine uses, as lines of a sources.list."""
    question = ("apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)")
    archives = parse_archives(run(*question, "Created-By: Packages").stdout, distribution)
    if not archives:
        ensure_package_lists()
        archives = parse_archives(run(*question, "Created-By: Packages").stdout, distribution)
    if not archives:
        raise SandboxError(
            f"apt on this machine names no archive of {DISTRIBUTIONS[distribution.id]} {distribution.codename}",
            "add the distribution's archive to /etc/apt/sources.list.d and run apt-get update",
        )
    return archives


def parse_apt_options(dump: str) -> tuple[str, ...]:
    """Keep, of `apt-config dump`, what decides how packages are fetched: proxies and the checks of dates."""
    kept = []
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        parts = name.lower().split("::")
        fetching = parts[:2] in (["acquire", "http"], ["acquire", "https"]) and parts[2:3] == ["proxy"]
        if (fetching or parts[:2] in (["acquire", "check-valid-until"], ["acquire", "check-date"])) and value != '"";':
            kept.append(f"{name} {value}")
    return tuple(kept)


def find_apt_options() -> tuple[str, ...]:
    """Return this machine's settings for fetching packages, as lines of an apt.conf."""
    return parse_apt_options(run("apt-config", "dump").stdout)


def ensure_package_lists() -> None:
    """Fetch apt's package lists anew."""
    require_root("fetch apt's package lists")
    run("apt-get", "update", "-qq")


def ensure_packages(names: Sequence[str], *, why: str, on_progress: Progress) -> None:
    """Install those of the named packages that are missing, saying so first."""
    missing = [name for name in names if not _is_installed(name)]
    if not missing:
        return
    require_root(f"install {' '.join(missing)}")
    on_progress(f"Installing {', '.join(missing)} with apt ({why})")
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
    if run(*install, check=False).returncode:
        ensure_package_lists()
        run(*install)


def require_root(what: str) -> None:
    """Refuse, with the remedy, where the sandbox would have to change the machine and may not."""
    if os.geteuid() != 0:
        raise SandboxError(
            f"only root may {what} on this machine", "run the command again as root, for example with sudo"
        )


def run(
    *command: str, check: bool = True, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of the system and return what it said; one that fails is an error with its last lines.

    The environment is the process's own, without anything interactive, plus `environment`.
    """
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    env = {**os.environ, "PATH": path, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", **(environment or {})}
    program = shutil.which(command[0], path=path)
    if program is None:
        raise SandboxError(f"{command[0]} is not on this machine", f"install the package that holds {command[0]}")
    # every caller passes a fixed program name, never text from outside
    result = subprocess.run((program, *command[1:]), env=env, text=True, capture_output=True)  # noqa: S603
    if check and result.returncode:
        raise SandboxError(f"{' '.join(command[:2])} failed: {_last_lines(result.stderr.splitlines())}")
    return result


def _is_installed(name: str) -> bool:
    status = run("dpkg-query", "-W", "-f", "${Status}", name, check=False)
    return status.stdout.endswith(" installed")


def _last_lines(lines: Iterable[str], count: int = 4) -> str:
    return " / ".join([line.strip() for line in lines if line.strip()][-count:])
