"""The images the sandbox makes on this machine: a base from its packages, a machine, a notebook.

Each is tagged with a hash of its recipe, so what is there and right is never built again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import docker
from docker.errors import BuildError, ImageNotFound

from dstk_runner.sandbox.engine import client
from dstk_runner.sandbox.errors import SandboxError
from dstk_runner.sandbox.packages import (
    DISTRIBUTIONS,
    Progress,
    ensure_packages,
    find_apt_options,
    find_archives,
    find_distribution,
    run,
)
from dstk_runner.sandbox.trust import find_extra_certificates
from dstk_runner.sandbox.turns import take_turn

BASE = "dstk-sandbox-base"
HOST = "dstk-sandbox-host"

#: In every image; python3 because Ansible and Jupyter both need it, apt because Ubuntu's smallest system is without.
BASE_PACKAGES = ("apt", "python3", "ca-certificates")

#: Left out of every package, as in the slim images of Docker Hub: each machine pulls, and each disk holds, what is in.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")

#: Marks the stages of a build that are of no use once it is done.
_STAGE = "dstk.sandbox.stage"

#: Docker hands these to a build and keeps them out of the image and its history.
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def ensure_base_image(on_progress: Progress) -> str:
    """Make the image all others start from, out of this machine's package archives, and return its name."""
    distribution = find_distribution()
    archives, options = find_archives(distribution), find_apt_options()
    tag = f"{BASE}:{find_hash([distribution.codename, *archives, *options, *BASE_PACKAGES, *LEFT_OUT])}"

    def build(docker_client: docker.DockerClient) -> None:
        ensure_packages(("mmdebstrap",), why="it makes the machines' root file system", on_progress=on_progress)
        on_progress(f"Making a {DISTRIBUTIONS[distribution.id]} {distribution.codename} root file system")
        with tempfile.TemporaryDirectory(prefix="dstk-base-") as folder:
            root, sources = Path(folder, "root.tar"), Path(folder, "machine.list")
            sources.write_text("".join(f"{line}\n" for line in archives), encoding="utf-8")
            arguments = ["--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"]
            arguments += [f"--aptopt={option}" for option in options]
            arguments += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
            run("mmdebstrap", *arguments, distribution.codename, str(root), str(sources))
            repository, _, version = tag.partition(":")
            docker_client.api.import_image_from_file(str(root), repository=repository, tag=version)

    return ensure_image(tag, build)


def ensure_host_image(on_progress: Progress) -> str:
    """Make the image the sandbox's machines boot from and return its name. About a minute, once."""
    base = ensure_base_image(on_progress)
    with recipe("host") as folder:
        certificates = folder / "extra-ca"
        certificates.mkdir()
        # a build context holds no empty folder
        (certificates / "README").write_text(
            "CA certificates of the machine this image was made on\n", encoding="utf-8"
        )
        for number, certificate in enumerate(find_extra_certificates()):
            (certificates / f"machine-{number}.crt").write_text(certificate, encoding="utf-8")
        tag = f"{HOST}:{find_hash([base, *read_recipe(folder)])}"

        def build(docker_client: docker.DockerClient) -> None:
            on_progress("Building the image of the sandbox's machines")
            build_image(docker_client, folder, tag, arguments={"BASE": base})

        return ensure_image(tag, build)


@contextmanager
def recipe(name: str) -> Iterator[Path]:
    """Lend a copy of a build context that comes with dstk, to be completed with what only this machine knows."""
    with tempfile.TemporaryDirectory(prefix=f"dstk-{name}-") as folder:
        context = Path(folder, name)
        with as_file(files("dstk_runner.sandbox") / "files" / name) as source:
            # pip compiles every file it installs, these too
            shutil.copytree(source, context, ignore=shutil.ignore_patterns("__pycache__"))
        yield context


def read_recipe(context: Path) -> list[str]:
    """Return the paths and texts that make up a build context, in a stable order."""
    paths = sorted(path for path in context.rglob("*") if path.is_file())
    return [part for path in paths for part in (str(path.relative_to(context)), path.read_text(encoding="utf-8"))]


def find_hash(parts: Iterable[str]) -> str:
    """Return a short hash of the parts of a recipe, order and boundaries included."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()[:12]


def ensure_image(tag: str, build: Callable[[docker.DockerClient], None]) -> str:
    """Call `build` where the daemon has no image of this name, and return the name."""
    with closing(client(timeout=600)) as docker_client:
        if not has_image(docker_client, tag):
            with take_turn("images"):
                if not has_image(docker_client, tag):
                    build(docker_client)
    return tag


def has_image(docker_client: docker.DockerClient, tag: str) -> bool:
    """Tell whether the daemon has an image of this name."""
    try:
        docker_client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def build_image(docker_client: docker.DockerClient, context: Path, tag: str, *, arguments: Mapping[str, str]) -> None:
    """Build a context with the daemon's own builder, on the machine's network."""
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    try:
        # the machine's network, because its proxy may listen on loopback
        docker_client.images.build(
            path=str(context), tag=tag, buildargs={**proxies, **arguments}, network_mode="host", rm=True, forcerm=True
        )
        docker_client.images.prune({"dangling": True, "label": _STAGE})
    except BuildError as error:
        said = [str(entry.get("stream", entry.get("error", ""))).strip() for entry in error.build_log]
        raise SandboxError(
            f"the image {tag} could not be built: {error.msg}: {' / '.join([line for line in said if line][-4:])}",
            "check that this machine reaches its package archives (apt-get update), then run the command again",
        ) from error
