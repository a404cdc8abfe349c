from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.plugins import load_file

ROLES = Path(__file__).parents[3] / "roles"

Filters = dict[str, Callable[..., object]]


def load_filters(role: str) -> Filters:
    """A role's filters as Ansible finds them: by the files' place, not by an import."""
    filters: Filters = {}
    for path in sorted((ROLES / role / "filter_plugins").glob("*.py")):
        module = load_file(path, f"filters_of_{path.stem}")
        filters |= module.FilterModule().filters()
    return filters


@pytest.fixture(scope="session")
def docker_host() -> Filters:
    return load_filters("docker_host")


@pytest.fixture(scope="session")
def jupyter_container() -> Filters:
    return load_filters("jupyter_container")


@pytest.fixture(scope="session")
def machine_image() -> Filters:
    return load_filters("machine_image")


@pytest.fixture(scope="session")
def notebook_files() -> Filters:
    return load_filters("notebook_files")


@pytest.fixture(scope="session")
def reverse_proxy() -> Filters:
    return load_filters("reverse_proxy")
