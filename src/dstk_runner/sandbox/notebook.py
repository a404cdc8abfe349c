"""The stand-in for the public notebook image: the same contract, small, made on this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import docker

from dstk_runner.project import find_project, load_layers
from dstk_runner.sandbox.images import build_image, ensure_base_image, ensure_image, find_hash, read_recipe, recipe
from dstk_runner.sandbox.packages import Progress
from dstk_runner.sandbox.trust import find_bundle

NOTEBOOK = "dstk-sandbox-notebook"

#: Images of the same family and contract, so that a file that names one of them can be rehearsed too.
SIBLINGS = ("minimal-notebook", "scipy-notebook")

_BUNDLE = "/tmp/build/machine.pem"  # noqa: S108 - inside the build, where nobody else is


def ensure_notebook_image(on_progress: Progress) -> str:
    """Make the stand-in where it is missing and return its name. Half a minute, once."""
    base = ensure_base_image(on_progress)
    with recipe("notebook") as folder:
        tag = f"{NOTEBOOK}:{find_hash([base, *read_recipe(folder)])}"
        bundle = find_bundle()
        (folder / "machine.pem").write_bytes(bundle.read_bytes() if bundle else b"")

        def build(docker_client: docker.DockerClient) -> None:
            on_progress("Building the stand-in for the notebook image")
            settings = find_pip_settings(os.environ, read_pip_config(), has_bundle=bundle is not None)
            joined = " ".join(f"{name}={value}" for name, value in settings.items())
            build_image(docker_client, folder, tag, arguments={"BASE": base, "PIP_SETTINGS": joined})

        return ensure_image(tag, build)


def find_public_images() -> tuple[str, ...]:
    """Return the names under which the sandbox's registry has the stand-in: dstk's default image and its siblings."""
    default = str(load_layers().load_defaults(find_project())["notebook_image"])
    path, _, tag = default.rpartition(":")
    return (default, *(f"{path.rpartition('/')[0]}/{sibling}:{tag}" for sibling in SIBLINGS))


def find_pip_settings(environ: Mapping[str, str], config: str, *, has_bundle: bool) -> dict[str, str]:
    """Return the variables with which pip in a build finds the index this machine uses.

    Args:
        environ: this process's environment; its PIP_INDEX_URL and its like and its proxies count.
        config: what `pip config list` printed, `global.index-url='…'` a line; weaker than the environment.
        has_bundle: the build has this machine's CA bundle.
    """
    wanted = ("index-url", "extra-index-url", "trusted-host")
    settings = {}
    for line in config.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in ("global", "install") and key in wanted:
            settings[f"PIP_{key.replace('-', '_').upper()}"] = " ".join(shlex.split(value))
    for name in (f"PIP_{key.replace('-', '_').upper()}" for key in wanted):
        if name in environ:
            settings[name] = environ[name]
    # a folder of this machine is not there in a build
    settings = {name: value for name, value in settings.items() if "file:" not in value and " " not in value}
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    settings |= {name: environ[name] for name in (*proxies, *map(str.upper, proxies)) if name in environ}
    if has_bundle:
        settings["PIP_CERT"] = _BUNDLE
    return settings


def read_pip_config() -> str:
    """Return what pip's configuration files on this machine say, or nothing where there is no pip."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, cwd=Path("/")
    )
    return done.stdout if done.returncode == 0 else ""
