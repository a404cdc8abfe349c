"""The Docker daemon that runs the sandbox's machines, and what this machine allows it to hand out."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import docker
from docker.errors import DockerException

from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.folder import ensure_folder, find_folder
from dstk_runner.sandbox.packages import SYSTEM_PATH, Progress, ensure_packages, find_distribution, require_root, run

#: Linux's capabilities by number (linux/capability.h). Those after audit_read are parts of what sys_admin allows,
#: and Docker before 23 does not know their names.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ"),
)

START_TIMEOUT = 60.0


def client(*, timeout: int = 60) -> docker.DockerClient:
    """Return a client of the daemon that DOCKER_HOST names, or of the local one. Close it after use."""
    try:
        return docker.from_env(timeout=timeout)
    except DockerException as error:
        if "ermission denied" in str(error):
            raise SandboxError(
                "Docker runs on this machine, but this user may not use it",
                "run the command as root, or join the group: sudo usermod -aG docker $USER, then log in again",
            ) from error
        raise SandboxError(f"Docker does not answer: {error}", "dstk sandbox up") from error


def ensure_docker(on_progress: Progress) -> None:
    """See to it that a Docker daemon answers.

    A running daemon is used as it is. Where there is none, the distribution's docker.io is installed and the daemon
    started, each said first.

    Raises:
        SandboxError: this user may not install, start or use Docker, or the daemon does not come up.
    """
    if _answers():
        return
    if not shutil.which("dockerd", path=SYSTEM_PATH):
        find_distribution()
        ensure_packages(("docker.io",), why="the sandbox's machines are containers", on_progress=on_progress)
    if not _answers():
        _start_daemon(on_progress)


def find_capabilities() -> tuple[str, ...]:
    """Return the names of the capabilities this machine may hand to a container."""
    return parse_capabilities(Path("/proc/self/status").read_text(encoding="utf-8"))


def parse_capabilities(status: str) -> tuple[str, ...]:
    """Read the bounding set in the text of /proc/<pid>/status, as names without the prefix CAP_."""
    mask = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")), 0)
    return tuple(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)


def _answers() -> bool:
    try:
        docker_client = docker.from_env(timeout=10)
    except DockerException as error:
        if "ermission denied" in str(error):
            client()
        return False
    docker_client.close()
    return True


def _start_daemon(on_progress: Progress) -> None:
    require_root("start the Docker daemon")
    if Path("/run/systemd/system").is_dir():
        on_progress("Starting the Docker daemon with systemctl")
        run("systemctl", "start", "docker")
        _wait_for_daemon(None, Path("journalctl -u docker"))
        return
    log = ensure_folder(find_folder()) / "dockerd.log"
    on_progress(f"Starting the Docker daemon (its log is {log})")
    program = shutil.which("dockerd", path=SYSTEM_PATH) or "dockerd"
    with log.open("ab") as output:
        # outlives this process on purpose: it is the machine's daemon from now on
        process = subprocess.Popen(  # noqa: S603 - a fixed program of the system
            [program], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _wait_for_daemon(process, log)


def _wait_for_daemon(process: subprocess.Popen[bytes] | None, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if _answers():
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.2)
    raise SandboxError("the Docker daemon does not come up", f"read why in its log: {log}")
