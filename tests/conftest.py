"""Which tests share a worker."""

from __future__ import annotations

import pytest
from support.environment import ROOT

#: Folders whose tests use the machine's one set of loopback addresses: one after another, on one worker.
ONE_SANDBOX = ("tests/e2e", "tests/sandbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the sandbox on one worker, and molecule's on another."""
    for item in items:
        folder = item.path.relative_to(ROOT).parent.as_posix()
        if folder.startswith(ONE_SANDBOX):
            item.add_marker(pytest.mark.xdist_group("sandbox"))
        elif folder.startswith("tests/molecule"):
            item.add_marker(pytest.mark.xdist_group("molecule"))
