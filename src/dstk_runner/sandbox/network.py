"""The one Docker network that the sandbox's machines and its registry share."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.turns import take_turn

NAME = "dstk-sandbox"

#: Tried in this order: of private space, the parts that offices, homes and Docker itself use least.
SUBNETS = ("172.31.240.0/20", "10.233.240.0/20", "192.168.240.0/20", "100.72.240.0/20")

#: How Docker says that a subnet overlaps another network's, in its versions so far.
_TAKEN = ("overlaps", "already in use", "conflicts")


@dataclass(frozen=True)
class Network:
    """The network as it is: where it is, its gateway, and the address kept for the registry."""

    name: str
    subnet: str
    gateway: str
    registry: str


def ensure_network(docker_client: docker.DockerClient) -> Network:
    """Make the network where it is missing, on the first subnet that is free, and describe it."""
    with take_turn("network"):
        found = find_network(docker_client)
        if found:
            return found
        for subnet in SUBNETS:
            try:
                _create(docker_client, subnet)
            except APIError as error:
                if not any(word in str(error) for word in _TAKEN):
                    raise SandboxError(f"Docker refuses the sandbox's network: {error.explanation}") from error
            else:
                break
        found = find_network(docker_client)
    if not found:
        raise SandboxError(
            f"every subnet the sandbox tries is in use: {', '.join(SUBNETS)}",
            "remove a Docker network that is not needed: docker network ls, docker network rm NAME",
        )
    return found


def find_network(docker_client: docker.DockerClient) -> Network | None:
    """Return the network, or None where it does not exist."""
    try:
        network = docker_client.networks.get(NAME)
    except NotFound:
        return None
    settings = network.attrs["IPAM"]["Config"][0]
    return Network(NAME, settings["Subnet"], settings["Gateway"], str(ipaddress.ip_network(settings["Subnet"])[2]))


def remove_network(docker_client: docker.DockerClient) -> None:
    """Remove the network unless something still uses it."""
    try:
        network = docker_client.networks.get(NAME)
        if not network.attrs.get("Containers"):
            network.remove()
    except NotFound:
        return
    except APIError as error:
        if "active endpoints" not in str(error):
            raise


def parse_default_interface(routes: str) -> str | None:
    """Return the interface of the default route in the text of /proc/net/route."""
    rows = (line.split() for line in routes.splitlines()[1:])
    return next((row[0] for row in rows if len(row) > 1 and row[1] == "00000000"), None)


def parse_nameservers(resolv_conf: str) -> tuple[str, ...]:
    """Return the servers in the text of a resolv.conf that others than this machine reach."""
    rows = (line.split() for line in resolv_conf.splitlines())
    servers = (row[1] for row in rows if len(row) > 1 and row[0] == "nameserver")
    return tuple(server for server in servers if not ipaddress.ip_address(server.split("%")[0]).is_loopback)


def find_nameservers() -> tuple[str, ...]:
    """Return the name servers of this machine that the machines behind it reach too, Docker's own left out.

    Docker's answers on a loopback address, which the containers inside a machine would not reach.
    """
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        servers = parse_nameservers(path.read_text(encoding="utf-8")) if path.is_file() else ()
        if servers:
            return servers
    return ()


def _create(docker_client: docker.DockerClient, subnet: str) -> None:
    addresses = ipaddress.ip_network(subnet)
    # Docker hands out the upper half; the lower half holds the gateway and the registry's fixed address
    _, upper = addresses.subnets(prefixlen_diff=1)
    pool = IPAMPool(subnet=subnet, iprange=str(upper), gateway=str(addresses[1]))
    docker_client.networks.create(
        NAME,
        driver="bridge",
        check_duplicate=True,
        ipam=IPAMConfig(pool_configs=[pool]),
        options={"com.docker.network.driver.mtu": str(_find_mtu())},
    )


def _find_mtu() -> int:
    """Return the largest packet this machine's own uplink carries, so that the machines behind it send no larger."""
    interface = parse_default_interface(Path("/proc/net/route").read_text(encoding="utf-8"))
    size = Path("/sys/class/net", interface or "lo", "mtu")
    return int(size.read_text(encoding="utf-8")) if interface and size.is_file() else 1500
