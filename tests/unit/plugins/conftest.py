from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from support.plugins import Load, load_packed


@pytest.fixture(scope="session")
def load() -> Load:
    return load_packed


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An EC2 client of a moto of its own."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield boto3.client("ec2", "us-west-2")
