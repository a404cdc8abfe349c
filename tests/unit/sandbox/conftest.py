"""EC2 of the sandbox within the test's own process, in place of moto's for as long as the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.core.base_backend import BackendDict
from moto.ec2.models import instances

from dstk_runner.sandbox import ec2
from dstk_runner.sandbox.ec2 import SandboxEC2, working_on
from dstk_runner.sandbox.lifecycle import SandboxInstance
from dstk_runner.sandbox.wire import Call

REGION = "us-west-2"

Launch = Callable[..., SandboxInstance]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> SandboxEC2:
    monkeypatch.setattr(ec2, "ec2_backends", BackendDict(SandboxEC2, "ec2"))
    monkeypatch.setattr(instances, "Instance", SandboxInstance)
    return ec2.find_backend(REGION)


@pytest.fixture
def launch(backend: SandboxEC2) -> Launch:
    """Launch an instance with a public address in the region's default network."""

    def run(image_id: str = "", **more: Any) -> SandboxInstance:
        image_id = image_id or next(iter(backend.amis))
        subnet = backend.get_default_subnets()[f"{REGION}a"]
        with working_on(Call("ec2", REGION, "RunInstances", "ec2", None)):
            reservation = backend.run_instances(
                image_id,
                1,
                None,
                [],
                **{
                    "instance_type": "t3.micro",
                    "is_instance_type_default": False,
                    "region_name": REGION,
                    "subnet_id": subnet.id,
                    "associate_public_ip": None,
                    **more,
                },
            )
        (instance,) = reservation.instances
        assert isinstance(instance, SandboxInstance)
        return instance

    return run
