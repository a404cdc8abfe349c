"""Starting the sandbox, finding it, and ending it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.folder import ensure_folder, find_folder
from dstk_runner.sandbox.rehearsal import ask_server
from dstk_runner.sandbox.state import (
    HOSTS_FILE,
    LOG_FILE,
    STATE_FILE,
    UP_LOCK,
    SandboxState,
    find_state,
    is_server,
    parse_mode,
)
from dstk_runner.sandbox.turns import Share

Progress = Callable[[str], None]

#: Variables that would lead an AWS tool away from the sandbox, or make it read what is meant for AWS.
UNSET = (
    "AWS_CA_BUNDLE",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)

PACKAGES = Path(__file__).resolve().parents[2]

START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0


def up(
    *,
    mode: str | None = None,
    on_progress: Progress | None = None,
    directory: str | os.PathLike[str] | None = None,
    notebook_images: Sequence[str] = (),
    port: int | None = None,
) -> SandboxState:
    """See to it that a sandbox runs, and return where.

    Args:
        mode: `hosts`, instances are containers; `api`, nothing is booted and instances run after a moment. Without
            one: that of the sandbox that runs, else hosts.
        on_progress: is told, in a sentence, what is about to be done where it takes time or installs something.
        directory: the sandbox's folder, in place of the default one.
        notebook_images: names that the registry shall have, in place of dstk's default image and its siblings.
        port: where to listen. Without one: 7700, or any other where that is taken.

    Raises:
        SandboxError: it cannot be started, or one is running in the other mode.
    """
    wanted = None if mode is None else parse_mode(mode)
    folder = _find(directory)
    say = on_progress or (lambda _: None)
    ensure_folder(folder)
    with _one_at_a_time(folder):
        state = find_state(folder)
        if state is not None and wanted not in (None, state.mode):
            raise SandboxError(
                f"A sandbox runs already, in mode {state.mode}.",
                "end it first, with all that is in it: dstk sandbox down",
            )
        mode = state.mode if state is not None else wanted or "hosts"
        # until the server uses it itself, no sandbox that ends may take the registry away
        with closing(Share()):
            if mode == "hosts":
                _ensure_machines(notebook_images, say)
            return state if state is not None and _answers(state) else _start(folder, mode, port, say)


def status(*, directory: str | os.PathLike[str] | None = None) -> SandboxState | None:
    """Return the running sandbox, or None."""
    state = find_state(_find(directory))
    return state if state is not None and _answers(state) else None


def environment(*, directory: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Return the variables with which any AWS tool speaks to the sandbox; see also UNSET.

    Raises:
        SandboxError: no sandbox is running.
    """
    state = find_state(_find(directory))
    if state is None:
        raise SandboxError("No sandbox is running.", "dstk sandbox up")
    own = {
        "AWS_ENDPOINT_URL": state.endpoint,
        "AWS_ACCESS_KEY_ID": state.access_key_id,
        "AWS_SECRET_ACCESS_KEY": state.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DSTK_ADDRESS_SERVICE": f"{state.endpoint}/_dstk/address",
        # no public authority can reach its instances to see whose they are
        "DSTK_TLS": "private",
        # its instances are on this machine: no network has to let anything out (see dstk_runner.checks_network)
        "DSTK_PROBE_SSH": "",
        "DSTK_PROBE_HTTPS": "",
        "DSTK_PROBE_WEBSOCKET": "",
    }
    if any(name in os.environ for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        direct = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
        own["NO_PROXY"] = own["no_proxy"] = f"{direct},127.0.0.1" if direct else "127.0.0.1"
    return own


def down(*, directory: str | os.PathLike[str] | None = None) -> None:
    """End the sandbox and remove all that was in it. Where there is none, do nothing."""
    folder = _find(directory)
    if not folder.exists():
        return
    with _one_at_a_time(folder):
        state = find_state(folder)
        if state is not None:
            _stop(state)
        if (folder / HOSTS_FILE).exists():
            _remove_machines(folder)
        (folder / STATE_FILE).unlink(missing_ok=True)


def _find(directory: str | os.PathLike[str] | None) -> Path:
    return find_folder() if directory is None else Path(directory).absolute()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time start or end the sandbox of a folder."""
    with (folder / UP_LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ensure_machines(notebook_images: Sequence[str], say: Progress) -> None:
    """See to it that instances can boot, and pull the notebook images."""
    # only mode hosts needs Docker and what speaks to it
    from dstk_runner.sandbox.engine import ensure_docker
    from dstk_runner.sandbox.images import ensure_host_image
    from dstk_runner.sandbox.notebook import find_public_images
    from dstk_runner.sandbox.registry import ensure_registry

    ensure_docker(say)
    ensure_host_image(say)
    ensure_registry(notebook_images or find_public_images(), say)


def _remove_machines(folder: Path) -> None:
    """Remove all containers and volumes of this sandbox."""
    from dstk_runner.sandbox.hosts import HostDriver

    with closing(HostDriver(folder)) as driver:
        driver.remove_all()
    (folder / HOSTS_FILE).unlink(missing_ok=True)


def _start(folder: Path, mode: str, port: int | None, say: Progress) -> SandboxState:
    say("Starting the sandbox's AWS")
    if mode == "hosts":
        (folder / HOSTS_FILE).touch()
    command = [sys.executable, "-m", "dstk_runner.sandbox.server", "--dir", str(folder), "--mode", mode]
    if port is not None:
        command += ["--port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    clean["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # AWS has policies that everybody may use
    # the server is of the same code as this, also where that is no installed package
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGES), clean.get("PYTHONPATH")]))
    with (folder / LOG_FILE).open("ab") as output:
        # outlives this process on purpose: its data is the sandbox
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments made here
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=clean, cwd="/", start_new_session=True
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        state = find_state(folder)
        if state is not None and _answers(state):
            return state
        if (code := process.poll()) is not None:
            if port is not None and code == 4:
                raise SandboxError(f"Port {port} is taken.", "choose another, or none to have a free one found")
            break
        time.sleep(0.05)
    else:
        process.kill()
    raise SandboxError("The sandbox did not start.", f"read why in {folder / LOG_FILE}")


def _answers(state: SandboxState) -> bool:
    try:
        return bool(ask_server(state, "GET", "status")["pid"] == state.pid)
    except SandboxError:
        return False


def _stop(state: SandboxState) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(state.pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT
        while is_server(state.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
