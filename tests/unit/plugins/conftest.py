from __future__ import annotations

import importlib
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from support.plugins import PLUGINS, Load, load_plugin


@pytest.fixture(scope="session")
def load() -> Load:
    folder = str(PLUGINS / "module_utils")
    # what Ansible does when it packs a module
    packed = importlib.import_module("ansible.module_utils").__path__
    if folder not in packed:
        packed.append(folder)
    return load_plugin


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An EC2 client of a moto of its own."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield boto3.client("ec2", "us-west-2")
