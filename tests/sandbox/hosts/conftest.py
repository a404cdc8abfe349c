"""A sandbox whose instances are containers, and a key that its instances admit."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dstk_runner import sandbox
from support.aws import Aws


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sandbox")
    yield folder
    sandbox.down(directory=folder)


@pytest.fixture
def aws(folder: Path) -> Aws:
    state = sandbox.up(mode="hosts", directory=folder)
    return Aws(state.endpoint, state.access_key_id, state.secret_access_key, "us-west-2")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key
