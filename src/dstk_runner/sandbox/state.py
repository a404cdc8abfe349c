"""The sandbox's folder, and the file in it that says where the running server is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, cast

from dstk_runner.sandbox.errors import SandboxError

Mode = Literal["hosts", "api"]

#: The files of the folder: where the server is, what it says, that there may be containers of its, and what keeps
#: there being one of it.
STATE_FILE = "server.json"
HOSTS_FILE = "hosts"
LOG_FILE = "server.log"
SERVER_LOCK = "server.lock"
UP_LOCK = "up.lock"


@dataclass(frozen=True)
class SandboxState:
    """A running sandbox: who it is, where it listens and the credentials it admits."""

    pid: int
    port: int
    mode: Mode
    started: str
    access_key_id: str
    secret_access_key: str

    @property
    def endpoint(self) -> str:
        """The URL at which every AWS service of the sandbox answers."""
        return f"http://127.0.0.1:{self.port}"


def write_state(folder: Path, state: SandboxState) -> None:
    """Write the state so that a reader sees all of it or nothing of it; it holds a secret, hence 0600."""
    new = folder / f".{STATE_FILE}.{os.getpid()}"
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
    new.replace(folder / STATE_FILE)


def find_state(folder: Path) -> SandboxState | None:
    """Return what the state file says if its server is alive; a file left by a dead one counts as none."""
    try:
        values = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        state = SandboxState(**{field.name: values[field.name] for field in fields(SandboxState)})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return state if is_server(state.pid) else None


def is_server(pid: int) -> bool:
    """Say whether this process is a sandbox's server, and not another that was given a dead one's number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return b"dstk_runner.sandbox.server" in command and status.rpartition(")")[2].split()[0] != "Z"


def parse_mode(text: str) -> Mode:
    """Return the text as a mode of the sandbox, or raise SandboxError."""
    if text not in ("hosts", "api"):
        raise SandboxError(f"A sandbox has no mode {text!r}.", "choose hosts or api")
    return cast("Mode", text)
