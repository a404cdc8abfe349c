"""Which tests share a worker."""

from __future__ import annotations

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
