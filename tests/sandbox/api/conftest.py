"""A sandbox in which nothing is booted, and a moto with nothing before it, for each module of tests."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dstk_runner import sandbox
from dstk_runner.sandbox import SandboxState
from support.aws import REGIONS, Aws


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[SandboxState]:
    yield sandbox.up(mode="api", directory=folder)
    sandbox.down(directory=folder)


#: Each test of a module takes another region, so that none meets what an earlier one left or used up.
@pytest.fixture(scope="module")
def regions() -> Iterator[str]:
    return itertools.cycle(REGIONS)


@pytest.fixture(scope="module")
def moto_regions() -> Iterator[str]:
    return itertools.cycle(REGIONS)


@pytest.fixture
def aws(server: SandboxState, regions: Iterator[str]) -> Aws:
    return Aws(server.endpoint, server.access_key_id, server.secret_access_key, next(regions))


@pytest.fixture(scope="module")
def moto_endpoint() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--port", str(port)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def plain_moto(moto_endpoint: str, moto_regions: Iterator[str]) -> Aws:
    return Aws(moto_endpoint, "AKIAIOSFODNN7EXAMPLE", "a-secret-that-moto-does-not-read", next(moto_regions))


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise RuntimeError(f"moto does not answer on port {port}")
