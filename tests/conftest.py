"""Which tests share a worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import ROOT

#: Tests that boot hosts, in two parts of about the same length. Each part has one sandbox, and runs on one worker: what
#: is deployed is shared within it, and a machine of two cores has work for both.
SANDBOXES = {
    "sandbox": ("tests/e2e", "tests/demo"),
    "sandbox-of-classes": (
        "tests/e2e/test_bake.py",
        "tests/e2e/test_class_dedicated.py",
        "tests/e2e/test_class_shared.py",
        "tests/e2e/test_homes.py",
        "tests/e2e/test_interrupted.py",
        "tests/e2e/test_plain.py",
        "tests/e2e/test_spot.py",
        "tests/e2e/test_tls.py",
        "tests/sandbox/hosts",
        "tests/sandbox/machines",
    ),
}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a sandbox on one worker, and a module's tests together."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(find_group(item.path.relative_to(ROOT).as_posix())))


def find_group(path: str) -> str:
    """The sandbox that names most of the path, else the module by itself."""
    named = [(len(part), group) for group, parts in SANDBOXES.items() for part in parts if path.startswith(part)]
    return max(named, default=(0, path))[1]


@pytest.fixture
def short_home() -> Iterator[Path]:
    """An empty home whose path is short: SSH's control sockets lie in it, and a socket's path ends at 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="dstk-") as folder:
        yield Path(folder)
