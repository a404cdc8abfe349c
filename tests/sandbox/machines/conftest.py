"""Machines of a sandbox folder of the tests' own."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dstk_runner.sandbox.engine import ensure_docker
from dstk_runner.sandbox.hosts import HostDriver
from dstk_runner.sandbox.notebook import find_public_images
from dstk_runner.sandbox.registry import Registry, ensure_registry
from support.machine import Machine


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostDriver]:
    ensure_docker(print)
    with closing(HostDriver(tmp_path_factory.mktemp("machines"), on_progress=print)) as driver:
        yield driver
        driver.remove_all()


@pytest.fixture(scope="session")
def registry(driver: HostDriver) -> Registry:
    return ensure_registry(find_public_images(), print)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


@pytest.fixture(scope="module")
def machine(driver: HostDriver, registry: Registry, key: Path) -> Iterator[Machine]:
    """A machine that has booted, the same for the tests of a module."""
    machine = Machine(driver, f"i-{uuid.uuid4().hex[:17]}", key)
    machine.boot()
    yield machine
    driver.remove(machine.instance_id)


@pytest.fixture(scope="module")
def docker_machine(machine: Machine) -> Machine:
    """The machine with the distribution's Docker."""
    machine.ssh("sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends docker.io")
    return machine
