"""A user who has set nothing: an empty home, no variables of dstk, AWS or Ansible."""

from __future__ import annotations

import atexit
import gzip
import os
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from dstk_runner import sandbox
from support.environment import FOREIGN
from support.world import World


def offer_few_images() -> None:
    """Give moto its short list of images alone, before it is imported: to list all of them takes it a second."""
    packed = files("moto").joinpath("ec2", "resources", "amis.json.gz").read_bytes()
    descriptor, name = tempfile.mkstemp(suffix=".json")
    os.write(descriptor, gzip.decompress(packed))
    os.close(descriptor)
    os.environ["MOTO_AMIS_PATH"] = name
    atexit.register(os.unlink, name)


offer_few_images()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty home of a user called ada, who stands in it."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) and not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USER", "ada")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def api_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a sandbox that boots nothing: moto alone knows no quotas."""
    path = tmp_path_factory.mktemp("sandbox")
    sandbox.up(mode="api", directory=path)
    yield path
    sandbox.down(directory=path)


@pytest.fixture
def account(api_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user speaks to that sandbox."""
    for name, value in sandbox.environment(directory=api_folder).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr("dstk_runner.resources.find_resources", world.find_resources)
    monkeypatch.setattr("dstk_runner.resources.find_baked", lambda region: ())
    monkeypatch.setattr("dstk_runner.resources.find_kept", lambda **_: world.kept)
    monkeypatch.setattr("dstk_runner.resources.has_expiry", lambda **_: world.expiry)
    monkeypatch.setattr("dstk_runner.roll.find_hosts", world.find_hosts)
    monkeypatch.setattr("dstk_runner.checks.run_checks", world.run_checks)
    monkeypatch.setattr(
        "dstk_runner.playbooks.run_playbook", lambda name, **options: world.run_playbook(name, **options)
    )
    return world
