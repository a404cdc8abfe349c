"""The sandbox's process: `python -m dstk_runner.sandbox.server --dir DIR --mode hosts|api [--port N]`."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from dstk_runner.sandbox.clockwork import Clockwork
from dstk_runner.sandbox.controls import control
from dstk_runner.sandbox.disks import Disks, LoopDisks
from dstk_runner.sandbox.ec2 import install
from dstk_runner.sandbox.folder import ensure_folder
from dstk_runner.sandbox.front import Front
from dstk_runner.sandbox.market import Market
from dstk_runner.sandbox.reconcile import Reconciler, TimedHosts
from dstk_runner.sandbox.state import LOG_FILE, SERVER_LOCK, STATE_FILE, Mode, SandboxState, parse_mode, write_state

HOST = "127.0.0.1"
PREFERRED_PORT = 7700

#: What the process exits with when another server has the folder, or the port asked for is taken.
ALREADY_RUNNING, PORT_TAKEN = 3, 4

log = logging.getLogger("dstk.sandbox")


class QuietHandler(MotoRequestHandler):
    """moto's handler, which logs through logging and in one line."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave the record of calls to the front."""


def main(arguments: list[str] | None = None) -> int:
    """Run until told to end with SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dstk_runner.sandbox.server", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--mode", choices=("hosts", "api"), default="hosts")
    parser.add_argument("--port", type=int, default=None)
    options = parser.parse_args(arguments)
    folder = ensure_folder(options.dir.absolute())
    logging.basicConfig(
        filename=folder / LOG_FILE, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with (folder / SERVER_LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ALREADY_RUNNING
        try:
            listening = _listen(options.port)
        except OSError as error:
            log.error("port %s: %s", options.port, error.strerror)
            return PORT_TAKEN
        _serve(folder, parse_mode(options.mode), listening)
    return 0


def _listen(port: int | None) -> BaseWSGIServer:
    """Bind the port asked for; without one the preferred port, else any that is free."""
    if port is None:
        try:
            return _listen(PREFERRED_PORT)
        except OSError:
            return _listen(0)
    # werkzeug ends the process when a port is taken, hence the socket is bound here
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen(128)
        # the server listens on a copy of its own; its application comes when its port is known
        return make_server(
            HOST,
            port,
            app=lambda environ, start: [],
            threaded=True,
            request_handler=QuietHandler,
            fd=bound.fileno(),
        )


def _serve(folder: Path, mode: Mode, server: BaseWSGIServer) -> None:
    state = SandboxState(
        pid=os.getpid(),
        port=server.port,
        mode=mode,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        access_key_id=f"AKIA{''.join(secrets.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567') for _ in range(16))}",
        secret_access_key=secrets.token_urlsafe(30),
    )
    disks = LoopDisks(folder) if mode == "hosts" else Disks()
    disks.clear()  # what a server that was killed left behind
    install(address_block=server.port - PREFERRED_PORT, disks=disks)
    front = Front({state.access_key_id: state.secret_access_key})
    clockwork = Clockwork(front.lock, state)
    resources = ExitStack()
    reconciler, market = _make_reconciler(mode, folder, front, resources)
    server.app = control(front, state, clockwork, market)

    def end(signum: int, frame: FrameType | None) -> None:
        # shutdown waits for the loop it ends, so another thread must call it
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    reconciler.start()
    clockwork.start()
    write_state(folder, state)
    log.info("the sandbox answers at %s in mode %s", state.endpoint, mode)
    try:
        server.serve_forever()
    finally:
        clockwork.end()
        reconciler.end()
        resources.close()
        (folder / STATE_FILE).unlink(missing_ok=True)
        log.info("the sandbox has ended")


def _make_reconciler(mode: Mode, folder: Path, front: Front, resources: ExitStack) -> tuple[Reconciler, Market]:
    """Return the loop for this mode, and the spot market; what must be closed after it goes into `resources`."""
    if mode == "api":
        market = Market(front.lock)
        return Reconciler(front.lock, TimedHosts(), after=market.tick), market
    # only mode hosts needs Docker and what speaks to it
    from dstk_runner.sandbox.exposures import follow_groups
    from dstk_runner.sandbox.forward import Forwarder
    from dstk_runner.sandbox.hosts import HostDriver

    driver = resources.enter_context(closing(HostDriver(folder)))
    forwarder = resources.enter_context(closing(Forwarder()))
    follow = follow_groups(front.lock, driver.address, forwarder)
    market = Market(front.lock, driver.ensure_notice)

    def after() -> None:
        follow()
        market.tick()

    return Reconciler(front.lock, driver, after=after), market


if __name__ == "__main__":
    sys.exit(main())
