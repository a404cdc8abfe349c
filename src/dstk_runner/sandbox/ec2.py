"""The sandbox's EC2: moto's, with AWS's manners, put in moto's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import moto.ec2.urls
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends, elastic_ip_addresses, elastic_network_interfaces, instances
from moto.ec2.models.availability_zones_and_regions import Region, RegionsAndZonesBackend
from moto.ec2.responses import general

from dstk_runner.sandbox.addresses import AddressPool
from dstk_runner.sandbox.block_storage import BlockStorage
from dstk_runner.sandbox.consoles import get_console_output
from dstk_runner.sandbox.dependencies import Dependencies
from dstk_runner.sandbox.disks import Disks
from dstk_runner.sandbox.lifecycle import SandboxInstance
from dstk_runner.sandbox.machine_images import MachineImage
from dstk_runner.sandbox.own_images import OwnImages
from dstk_runner.sandbox.spot import SpotMarket
from dstk_runner.sandbox.wire import Call, current_call

#: Regions that every account may use; the others it must opt into, and the sandbox's account has not,
#: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
ENABLED = frozenset(
    (
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    )
)
REGIONS = {
    region.name: Region(
        region.name, region.endpoint, "opt-in-not-required" if region.name in ENABLED else "not-opted-in"
    )
    for region in RegionsAndZonesBackend.regions
    if not region.name.startswith(("us-gov-", "cn-"))
}


class SandboxEC2(Dependencies, OwnImages, SpotMarket, BlockStorage):
    """EC2 in one region of the sandbox."""

    @property
    def _url_module(self) -> Any:
        return moto.ec2.urls

    def describe_regions(self, region_names: list[str] | None = None) -> list[Region]:
        """Return the regions the account may use; all of them if asked by name or with AllRegions."""
        if region_names:
            return [REGIONS[name] for name in region_names if name in REGIONS]
        every = current_call.get().is_true("AllRegions")
        return [region for region in REGIONS.values() if every or region.name in ENABLED]

    def forget(self, instance: SandboxInstance) -> None:
        """Tell no more of an instance that has ended."""
        for reservation in list(self.reservations.values()):
            if instance in reservation.instances:
                reservation.instances.remove(instance)
                if not reservation.instances:
                    del self.reservations[reservation.id]
        self.tags.pop(instance.id, None)


def find_backends() -> list[SandboxEC2]:
    """Return EC2 of every region that anybody has used."""
    return [backend for backend in ec2_backends[DEFAULT_ACCOUNT_ID].values() if isinstance(backend, SandboxEC2)]


def find_backend(region: str) -> SandboxEC2:
    """Return EC2 of a region."""
    backend = ec2_backends[DEFAULT_ACCOUNT_ID][region]
    assert isinstance(backend, SandboxEC2)  # noqa: S101 - install() saw to it
    return backend


def find_instances() -> Iterator[tuple[SandboxEC2, SandboxInstance]]:
    """Yield every instance of every region."""
    for backend in find_backends():
        for reservation in list(backend.reservations.values()):
            for instance in reservation.instances:
                if isinstance(instance, SandboxInstance):
                    yield backend, instance


def find_own_images() -> list[MachineImage]:
    """Return the images of instances in every region."""
    return [image for backend in find_backends() for image in backend.find_own_images()]


def find_used_addresses() -> set[str]:
    """Return the public addresses that an interface or an Elastic IP has."""
    used: set[str] = set()
    for backend in find_backends():
        used |= {eni.public_ip for eni in backend.enis.values() if eni.public_ip}
        used |= {address.public_ip for address in backend.addresses}
    return used


@contextmanager
def working_on(call: Call) -> Iterator[None]:
    """Let the parts behind moto's parsing see the call."""
    token = current_call.set(call)
    try:
        yield
    finally:
        current_call.reset(token)


def install(*, address_block: int = 0, disks: Disks | None = None) -> None:
    """Put the sandbox's EC2 in moto's place, in this process. These are all the seams there are."""
    BlockStorage.disks = disks or Disks()
    pool = AddressPool(find_used_addresses, block=address_block)
    ec2_backends.backend = SandboxEC2
    instances.Instance = SandboxInstance  # type: ignore[misc]
    setattr(general.General, "get_console_output", get_console_output)  # noqa: B010 - mypy knows no methods put in place
    vars(elastic_network_interfaces)["random_public_ip"] = pool.take
    vars(elastic_ip_addresses)["random_ip"] = pool.take
