"""Which tests share a worker."""

from __future__ import annotations

import pytest

from support.environment import ROOT

#: Folders whose tests use the machine's one set of loopback addresses: one after another, on one worker.
ONE_SANDBOX = ("tests/demo", "tests/e2e", "tests/sandbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that use the addresses of the sandbox on one worker."""
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(ONE_SANDBOX):
            item.add_marker(pytest.mark.xdist_group("sandbox"))
