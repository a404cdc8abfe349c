from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.targets import open_target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("sandbox")
    sandbox.up(mode="api", directory=path)
    yield path
    sandbox.down(directory=path)


@pytest.fixture(autouse=True)
def chosen(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_SANDBOX_DIR", str(folder))


def test_for_aws_the_environment_stays_as_it_is() -> None:
    before = dict(os.environ)
    with open_target(load_config()):
        assert dict(os.environ) == before


def test_a_sandbox_takes_the_place_of_the_users_own_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    with open_target(load_config({"target": "sandbox"})):
        assert os.environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
        assert "AWS_PROFILE" not in os.environ


def test_the_environment_is_put_back_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    before = dict(os.environ)
    with pytest.raises(LookupError), open_target(load_config({"target": "sandbox"})):
        raise LookupError
    assert dict(os.environ) == before


def test_the_sandbox_tells_the_public_address() -> None:
    with open_target(load_config({"target": "sandbox"})) as config:
        assert config.address_service.endswith("/_dstk/address")


def test_an_address_service_that_was_chosen_stays() -> None:
    wanted = load_config({"target": "sandbox", "address_service": "http://127.0.0.1:9/"})
    with open_target(wanted) as config:
        assert config.address_service == "http://127.0.0.1:9/"
