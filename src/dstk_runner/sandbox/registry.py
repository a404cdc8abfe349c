"""The registry that answers as quay.io inside the sandbox's machines. One for all sandboxes of this machine."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from dstk_runner.sandbox.archive import File, Folder, find_file, put_files
from dstk_runner.sandbox.certificates import issue_certificate
from dstk_runner.sandbox.engine import client
from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.images import ensure_host_image, find_hash
from dstk_runner.sandbox.network import Network, ensure_network
from dstk_runner.sandbox.notebook import ensure_notebook_image
from dstk_runner.sandbox.packages import Progress
from dstk_runner.sandbox.turns import take_turn

NAME = "quay.io"

#: The container and the volume. The volume outlives the container, as images outlive theirs: the next start is quick.
CONTAINER = "dstk-sandbox-registry"
WRITER = "dstk-sandbox-registry-writer"
VOLUME = "dstk-sandbox-registry"

_STORE = "/var/lib/registry"
_TLS = "/etc/registry-tls"
_AUTHORITY = f"{_TLS}/ca.crt"
_CONFIG = "/etc/registry.json"
_START_TIMEOUT = 20.0

#: The package is in the machines' image, and is not installed in any machine.
_SERVE = (
    "dpkg-deb -x /opt/registry/*.deb /opt/registry/root && exec /opt/registry/root/usr/bin/docker-registry serve "
    + _CONFIG
)
_RECIPE = "dstk.sandbox.registry"
_MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
#: The registry is on this machine, wherever a proxy may be.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

#: The Docker daemon takes a registry on loopback without TLS, so that pushing changes nothing in its configuration.
_LOOPBACK = "127.0.0.1"
_WRITER_PORT = 5000

_COMMON = {"version": 0.1, "log": {"level": "warn", "accesslog": {"disabled": True}}}
_FILES = {"filesystem": {"rootdirectory": _STORE}}
#: As on quay.io, machines pull and do not push.
_SERVER_CONFIG = json.dumps(
    _COMMON
    | {
        "storage": {**_FILES, "maintenance": {"readonly": {"enabled": True}}},
        "http": {"addr": ":443", "tls": {"certificate": f"{_TLS}/server.crt", "key": f"{_TLS}/server.key"}},
    }
)
_WRITER_CONFIG = json.dumps(_COMMON | {"storage": _FILES, "http": {"addr": f":{_WRITER_PORT}"}})


@dataclass(frozen=True)
class Registry:
    """A registry that answers: its name inside machines, its address, the CA to trust, and the images it has."""

    name: str
    address: str
    authority: str
    images: tuple[str, ...]


def ensure_registry(images: Sequence[str], on_progress: Progress) -> Registry:
    """See to it that the registry answers and has the notebook stand-in under every one of the names.

    Args:
        images: names such as `quay.io/jupyter/datascience-notebook:2025-12-31`; those of other registries are left out.
        on_progress: is told what takes long.

    Raises:
        SandboxError: the registry does not come up.
    """
    notebook = ensure_notebook_image(on_progress)
    wanted = tuple(dict.fromkeys(image for image in images if image.startswith(f"{NAME}/")))
    with take_turn("registry"), closing(client(timeout=600)) as docker_client:
        network = ensure_network(docker_client)
        authority = _ensure_server(docker_client, ensure_host_image(on_progress), network)
        registry = Registry(NAME, network.registry, authority, wanted)
        identity = docker_client.images.get(notebook).id
        missing = [image for image in wanted if identity not in _find_identity(registry, image)]
        if missing:
            on_progress(f"Filling the sandbox's registry: {', '.join(missing)}")
            _push(docker_client, notebook, missing)
    return registry


def find_authority(docker_client: docker.DockerClient) -> str | None:
    """Return the CA certificate, in PEM, that a machine must trust to pull from the registry; None without one."""
    return find_file(docker_client, CONTAINER, _AUTHORITY)


def remove_registry(docker_client: docker.DockerClient) -> None:
    """Remove the registry's container. Its volume stays, so that the next one need not be filled again."""
    for name in (CONTAINER, WRITER):
        with suppress(NotFound):
            docker_client.api.remove_container(name, force=True)


def split_image(image: str) -> tuple[str, str]:
    """Return the repository, without the registry's name, and the tag or digest of an image name."""
    path = image.removeprefix(f"{NAME}/")
    if "@" in path:
        repository, _, digest = path.partition("@")
        return repository.rpartition(":")[0] or repository, digest
    repository, _, tag = path.rpartition(":") if ":" in path else (path, "", "latest")
    return repository, tag


def _ensure_server(docker_client: docker.DockerClient, image: str, network: Network) -> str:
    """Start the registry where it does not run, and return its authority."""
    try:
        container = docker_client.containers.get(CONTAINER)
        if container.labels.get(_RECIPE) != _find_recipe(network):
            container.remove(force=True)
            raise NotFound("on another network, or set up in another way")
    except NotFound:
        container = _create(docker_client, image, network)
    if container.status != "running":
        container.start()
    authority = find_authority(docker_client) or ""
    registry = Registry(NAME, network.registry, authority, ())
    deadline = time.monotonic() + _START_TIMEOUT
    while _ask(registry, "") is None:
        if time.monotonic() > deadline:
            said = container.logs(tail=3).decode(errors="replace").strip()
            raise SandboxError(f"the sandbox's registry does not answer: {said}", "dstk sandbox down, then up again")
        time.sleep(0.1)
    return authority


def _create(docker_client: docker.DockerClient, image: str, network: Network) -> Container:
    """Make the server's container, with a certificate of its own; it is not started yet."""
    api = docker_client.api
    place: Any = {network.name: api.create_endpoint_config(ipv4_address=network.registry)}
    made = api.create_container(
        image,
        command=["sh", "-c", _SERVE],
        name=CONTAINER,
        labels={_RECIPE: _find_recipe(network)},
        host_config=api.create_host_config(binds=[f"{VOLUME}:{_STORE}"], init=True),
        networking_config=api.create_networking_config(place),
    )
    issued = issue_certificate((NAME, network.registry))
    put_files(
        docker_client,
        CONTAINER,
        (
            File(_CONFIG, _SERVER_CONFIG),
            Folder(_TLS),
            File(_AUTHORITY, issued.authority),
            File(f"{_TLS}/server.crt", issued.certificate),
            File(f"{_TLS}/server.key", issued.key, 0o600),
        ),
    )
    return docker_client.containers.get(made["Id"])


def _find_recipe(network: Network) -> str:
    return find_hash([network.registry, _SERVE, _SERVER_CONFIG])


def _push(docker_client: docker.DockerClient, notebook: str, images: Sequence[str]) -> None:
    """Put an image into the registry under these names."""
    with _writer(docker_client) as door:
        for image in images:
            repository, tag = split_image(image)
            docker_client.images.get(notebook).tag(f"{door}/{repository}", tag)
            try:
                for line in docker_client.api.push(f"{door}/{repository}", tag=tag, stream=True, decode=True):
                    if "error" in line:
                        raise SandboxError(f"the sandbox's registry does not take {image}: {line['error']}")
            finally:
                docker_client.images.remove(f"{door}/{repository}:{tag}", noprune=True)


@contextmanager
def _writer(docker_client: docker.DockerClient) -> Iterator[str]:
    """Open the registry's store to this machine for a while; yields where, as Docker names registries."""
    api = docker_client.api
    image = docker_client.containers.get(CONTAINER).attrs["Image"]
    with suppress(NotFound):
        api.remove_container(WRITER, force=True)
    api.create_container(
        image,
        command=["sh", "-c", _SERVE],
        name=WRITER,
        ports=[_WRITER_PORT],
        host_config=api.create_host_config(
            binds=[f"{VOLUME}:{_STORE}"], init=True, port_bindings={_WRITER_PORT: (_LOOPBACK, None)}
        ),
    )
    try:
        put_files(docker_client, WRITER, [File(_CONFIG, _WRITER_CONFIG)])
        api.start(WRITER)
        port = api.port(WRITER, _WRITER_PORT)[0]["HostPort"]
        deadline = time.monotonic() + _START_TIMEOUT
        while not _takes_pushes(int(port)):
            if time.monotonic() > deadline:
                raise SandboxError("the sandbox's registry cannot be filled: it does not answer on loopback")
            time.sleep(0.1)
        yield f"{_LOOPBACK}:{port}"
    finally:
        api.remove_container(WRITER, force=True)


def _takes_pushes(port: int) -> bool:
    try:
        with _DIRECT.open(f"http://{_LOOPBACK}:{port}/v2/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _find_identity(registry: Registry, image: str) -> set[str]:
    """Return the ids that Docker may know an image of the registry by: of its configuration, and of its manifest."""
    repository, tag = split_image(image)
    answer = _ask(registry, f"{repository}/manifests/{tag}")
    if answer is None:
        return set()
    manifest, digest = answer
    return {str(manifest.get("config", {}).get("digest", "")), digest}


def _ask(registry: Registry, path: str) -> tuple[dict[str, Any], str] | None:
    """Return what the registry answers and the digest it names; None where it does not answer or has no such thing."""
    trust = ssl.create_default_context(cadata=registry.authority) if registry.authority else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    request = urllib.request.Request(f"https://{registry.address}/v2/{path}", headers={"Accept": _MANIFESTS})
    try:
        with opener.open(request, timeout=5) as answer:
            return json.load(answer), str(answer.headers.get("Docker-Content-Digest", ""))
    except OSError:
        return None
