"""The state folder: logs, fetched passwords, known hosts, and the lock of a run. All of it can be had again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dstk_runner.config import Config
from dstk_runner.errors import BusyError, ConfigError, Mistake
from dstk_runner.processes import end_processes

__all__ = ["ensure_folder", "find_authorities", "find_logs", "forget_hosts", "hold_lock", "new_log", "read_password"]

_KEPT_LOGS = 100


def ensure_folder(config: Config) -> Path:
    """Make the deployment's folder, for its owner only.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    try:
        for folder in (config.state_dir, config.folder, config.folder / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(config.folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        message = f"{config.folder} cannot be used: {error.strerror}"
        raise ConfigError([Mistake("", "state_dir", message, "name a folder of your own")]) from error
    return config.folder


def new_log(config: Config, command: str) -> Path:
    """Make the log of a run, 0600, named by UTC time and command; the oldest beyond a hundred go."""
    folder = ensure_folder(config) / "logs"
    for old in sorted(folder.glob("*.log"))[: -_KEPT_LOGS or None]:
        old.unlink(missing_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    names = [f"{stamp}-{command}.log", *(f"{stamp}-{command}-{number}.log" for number in range(2, 100))]
    for name in names:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return folder / name
    raise BusyError(f"{folder} holds a hundred logs of this second", "try again")


def find_logs(config: Config) -> list[Path]:
    """Return the logs of this deployment's runs, newest first."""
    return sorted((config.folder / "logs").glob("*.log"), reverse=True)


@contextlib.contextmanager
def hold_lock(config: Config, command: str) -> Iterator[str]:
    """Let one run at a time change this deployment from this machine; yields the id of the run.

    Where the last run was killed, what it left running is ended first.

    Raises:
        BusyError: another run holds the lock.
    """
    path = ensure_folder(config) / "lock"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _read_owner(file.read())
            who = f"`dstk {owner.get('command', '?')}` (process {owner.get('pid', '?')})"
            raise BusyError(
                f"{who} is working on {config.deployment}", "wait until it has ended, or end it with Ctrl-C"
            ) from None
        left = _read_owner(file.read()).get("run")
        if left:
            end_processes(left)
        run = uuid.uuid4().hex
        _write(file.fileno(), json.dumps({"pid": str(os.getpid()), "command": command, "run": run}))
        try:
            yield run
        finally:
            _write(file.fileno(), "")


def read_password(path: str | os.PathLike[str]) -> str:
    """Return the password that the playbook fetched; empty where there is none."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def find_authorities(config: Config) -> tuple[Path, str] | None:
    """Return the file of the deployment's own certificate authorities and its SHA-256; None where there is none."""
    path = config.folder / "tls" / "ca.pem"
    try:
        return path, hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def forget_hosts(config: Config) -> None:
    """Remove what is known about hosts that are no more: passwords and host keys.

    Logs stay, and so does the certificate authority: who trusts it need not do so again for the next hosts.
    """
    for password in (config.folder / "passwords").glob("*"):
        password.unlink(missing_ok=True)
    for name in ("known_hosts", "known_hosts.old"):
        (config.folder / name).unlink(missing_ok=True)


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _read_owner(text: str) -> dict[str, str]:
    try:
        owner = json.loads(text)
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}
