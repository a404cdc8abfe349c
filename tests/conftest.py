"""Which tests share a worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import ROOT

#: Folders whose tests use the machine's one set of loopback addresses: one after another, on one worker.
ONE_SANDBOX = ("tests/demo", "tests/e2e", "tests/sandbox/hosts", "tests/sandbox/machines")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that use the addresses of the sandbox on one worker, and a module's tests together."""
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        if path.startswith(ONE_SANDBOX):
            item.add_marker(pytest.mark.xdist_group("sandbox"))
        elif item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(path))


@pytest.fixture
def short_home() -> Iterator[Path]:
    """An empty home whose path is short: SSH's control sockets lie in it, and a socket's path ends at 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="dstk-") as folder:
        yield Path(folder)
