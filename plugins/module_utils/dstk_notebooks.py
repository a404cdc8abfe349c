"""What the modules of notebooks share: the command docker, and how a notebook's container is made.

The command, because every host with an engine has it, and because its arguments are what people can read and repeat.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UID = 1000
GID = 100
"""The user of the docker-stacks images."""

INNER_PORT = 8888
INNER_HOME = "/home/jovyan"
INNER_CONFIG = "/etc/dstk/jupyter"
RUNTIME = "/tmp/jupyter"  # noqa: S108 - in the container
"""Where Jupyter writes what it needs to start: a home that is full must not keep it from that."""
SETTINGS = "/etc/dstk"
NETWORK = "dstk"
"""The network of the notebooks, which the role docker_host makes: on it, no container reaches another."""
HOST_RESERVE_MB = 512
"""Memory that notebooks who share a host may not take from it."""
OWN_RESERVE_MB = 256
"""The same where a notebook has a host of its own, which has swap besides."""
TEMPORARY_MB = 512
"""What /tmp holds; it is memory, and counts as the notebook's."""

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - in the container
"""What can be written to beside the home."""

_PORT_TAKEN = ("port is already allocated", "address already in use")


def run(*arguments: str, stdin: str | None = None, timeout: float = 600) -> tuple[int, str, str]:
    """Run a command and answer its status, output and errors; 124 where it took too long."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the arguments
            arguments, input=stdin, capture_output=True, text=True, errors="replace", check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer within {timeout:.0f} s"
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def find_name(student: str) -> str:
    """Answer the name of a student's container."""
    return f"dstk-{student}"


def find_containers(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Answer what Docker knows of those containers that are there, by name. One call, however many they are.

    Raises:
        RuntimeError: Docker does not answer.
    """
    return {entry["Name"].lstrip("/"): entry for entry in _inspect("container", list(dict.fromkeys(names)))}


def find_images(names: Iterable[str]) -> dict[str, str]:
    """Answer the ids of those images that are there, by the names asked for.

    Raises:
        RuntimeError: Docker does not answer.
    """
    found = {name: _inspect("image", [name]) for name in dict.fromkeys(names)}
    return {name: str(entries[0]["Id"]) for name, entries in found.items() if entries}


def _inspect(kind: str, names: list[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    code, output, errors = run("docker", kind, "inspect", *names)
    # 127 is a command that is not there, whose message begins alike
    if code == 127 or (code != 0 and "no such" not in errors.lower()):
        raise RuntimeError(errors.strip() or f"docker {kind} inspect ended with {code}")
    found: list[dict[str, Any]] = json.loads(output or "[]")
    return found


def find_limits(notebook: Mapping[str, Any], *, memory_mb: int, processors: int) -> tuple[int, float]:
    """Answer the memory in MB and the processors that a notebook may take, never more than the host can give.

    Args:
        notebook: with ``memory`` and ``cpus``; 0 is no limit.
        memory_mb: what the host has.
        processors: how many the host has; Docker refuses a limit above that.
    """
    memory, cpus = int(notebook.get("memory") or 0), float(notebook.get("cpus") or 0)
    if memory:
        memory = max(128, min(memory, memory_mb - HOST_RESERVE_MB))
    if cpus:
        cpus = min(cpus, float(processors))
    return memory, cpus


def find_own_limit(memory_mb: int) -> int:
    """Answer the memory in MB of a notebook that has a host of its own and no limit was set for."""
    return max(128, memory_mb - OWN_RESERVE_MB)


def find_arguments(
    notebook: Mapping[str, Any], *, deployment: str, home: str, config: str, pids: int, start_timeout: int
) -> list[str]:
    """Answer the options with which `docker run` makes a notebook's container; the image comes after them.

    Args:
        notebook: with student, seat, port, the limits `find_limits` answered, ``own_memory`` in MB where ``memory``
            is 0, and whether its user may become root, ``sudo``.
        deployment: for the label.
        home: the home on the host.
        config: the folder on the host that Jupyter reads.
        pids: how many processes and threads it may have.
        start_timeout: seconds in which a failing health check counts for nothing.
    """
    student = notebook["student"]
    name = find_name(student)
    limits = ["--pids-limit", str(pids)]
    if notebook["memory"]:
        # no swap beyond it: the limit is the same on every host
        limits += ["--memory", f"{notebook['memory']}m", "--memory-swap", f"{notebook['memory']}m"]
    elif notebook.get("own_memory"):
        # a small host has swap, of which its notebook may take as much again
        own = int(notebook["own_memory"])
        limits += ["--memory", f"{own}m", "--memory-swap", f"{2 * own}m"]
    if notebook["cpus"]:
        limits += ["--cpus", f"{notebook['cpus']:g}"]
    if notebook.get("sudo"):
        # the image's start script gives jovyan sudo, which needs what the wall takes away
        wall = ["--user", "root", "--env", "GRANT_SUDO=yes"]
    else:
        wall = ["--user", f"{UID}:{GID}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
        wall += [
            part
            for path in TEMPORARY
            for part in ("--tmpfs", f"{path}:rw,exec,nosuid,nodev,size={TEMPORARY_MB}m,mode=1777")
        ]
    return [
        *("--name", name, "--hostname", name, "--pull", "never", "--restart", "unless-stopped"),
        *wall,
        *limits,
        # the proxy alone reaches it
        *("--network", NETWORK, "--publish", f"127.0.0.1:{notebook['port']}:{INNER_PORT}"),
        *("--mount", f"type=bind,source={home},target={INNER_HOME}"),
        *("--mount", f"type=bind,source={config},target={INNER_CONFIG},readonly"),
        *("--env", f"JUPYTER_CONFIG_PATH={INNER_CONFIG}", "--env", f"DSTK_STUDENT={student}"),
        # where JupyterLab finds what dstk adds to it
        *("--env", f"JUPYTER_PATH={INNER_CONFIG}"),
        *("--env", f"JUPYTER_RUNTIME_DIR={RUNTIME}"),
        *("--label", f"dstk.deployment={deployment}", "--label", f"dstk.student={student}"),
        *("--label", f"dstk.seat={notebook['seat']}"),
        # the image's own check runs Python every few seconds and may look at a server that is long gone
        *(
            "--health-cmd",
            find_health(student),
            "--health-interval",
            "30s",
            "--health-timeout",
            "10s",
            "--health-retries",
            "3",
        ),
        *("--health-start-period", f"{start_timeout}s"),
    ]


def find_health(student: str) -> str:
    """Answer the command by which Docker sees that JupyterLab answers."""
    url = f"http://127.0.0.1:{INNER_PORT}/{student}/api"
    return f"python -c \"import urllib.request as r; r.urlopen('{url}', timeout=8)\""


def find_id_offset(settings: str, ranges: str) -> int:
    """Answer by how much the ids of users in containers are moved on the host.

    Args:
        settings: the text of Docker's daemon.json.
        ranges: the text of /etc/subuid.
    """
    name = str(json.loads(settings or "{}").get("userns-remap", "")).partition(":")[0]
    rows = (line.split(":") for line in ranges.splitlines())
    return next((int(row[1]) for row in rows if name and row[0] == name), 0)


def find_definition(arguments: Sequence[str], image_id: str, *texts: str) -> str:
    """Answer the hash of how a container is made: its options, its image, and what it reads at its start."""
    return hashlib.sha256(json.dumps([*arguments, image_id, *texts]).encode()).hexdigest()[:16]


def find_difference(action: str, name: str, options: str, there: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Answer what `--diff` shows of a container; nothing where nothing changes."""
    if action == "unchanged":
        return {}
    labels = there.get(name, {}).get("Config", {}).get("Labels") or {}
    before, after = ("stopped\n", "running\n") if action == "started" else (labels.get("dstk.options", ""), options)
    return {"before_header": name, "after_header": name, "before": before, "after": after}


def find_options(arguments: list[str]) -> str:
    """Answer the options of `docker run`, one a line, as a label keeps them to be compared with."""
    return (
        " ".join(f"\n{word}" if word.startswith("--") else word for word in arguments).replace(" \n", "\n").strip()
        + "\n"
    )


def find_memory_mb() -> int:
    """Answer how much memory this machine has, in MB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2


def find_run_message(said: str, port: int) -> str:
    """Answer why a container did not start and what mends it.

    Args:
        said: what Docker said.
        port: the port to be published.
    """
    if any(sign in said.lower() for sign in _PORT_TAKEN):
        return (
            f"Port {port} is taken by another program on the host.\n"
            f"Fix: set notebook_port to a free one, or end the program (`sudo ss -ltnp sport = :{port}` names it)."
        )
    return f"The container did not start: {said.strip()}\nFix: see the message above; `dstk logs` shows more."
