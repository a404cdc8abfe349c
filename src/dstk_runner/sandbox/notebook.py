"""The stand-in for the public notebook image: the same contract, small, made on this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import docker

from dstk_runner.project import find_project, load_layers
from dstk_runner.sandbox.images import build_image, ensure_base_image, ensure_image, find_hash, read_recipe, recipe
from dstk_runner.sandbox.packages import Progress
from dstk_runner.sandbox.trust import find_bundle

NOTEBOOK = "dstk-sandbox-notebook"

#: Images of the same family and contract, so that a file that names one of them can be rehearsed too.
SIBLINGS = ("minimal-notebook", "scipy-notebook")

_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host")
_BUNDLE = "/tmp/build/machine.pem"  # noqa: S108 - inside the build, where nobody else is


def ensure_notebook_image(on_progress: Progress) -> str:
    """Make the stand-in where it is missing and return its name. Half a minute, once."""
    base = ensure_base_image(on_progress)
    with recipe("notebook") as folder:
        tag = f"{NOTEBOOK}:{find_hash([base, *read_recipe(folder)])}"

        def build(docker_client: docker.DockerClient) -> None:
            on_progress("Building the stand-in for the notebook image")
            bundle = find_bundle()
            (folder / "machine.pem").write_bytes(bundle.read_bytes() if bundle else b"")
            settings = find_pip_settings(os.environ, read_pip_config(), certificates=_BUNDLE if bundle else None)
            (folder / "pip.conf").write_text(settings, encoding="utf-8")
            build_image(docker_client, folder, tag, arguments={"BASE": base})

        return ensure_image(tag, build)


def find_public_images() -> tuple[str, ...]:
    """Return the names under which the sandbox's registry has the stand-in: dstk's default image and its siblings."""
    default = str(load_layers().load_defaults(find_project())["notebook_image"])
    path, _, tag = default.rpartition(":")
    return (default, *(f"{path.rpartition('/')[0]}/{sibling}:{tag}" for sibling in SIBLINGS))


def find_pip_settings(environ: Mapping[str, str], config: str, *, certificates: str | None) -> str:
    """Return a pip.conf with which pip in a build finds the indexes this machine uses.

    Args:
        environ: this process's environment; its PIP_INDEX_URL and its like are stronger than the files.
        config: what `pip config list` printed, `global.index-url='…'` a line.
        certificates: where the build has this machine's CA bundle, if it has one.
    """
    found = {}
    for line in config.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in ("global", "install") and key in _PIP_KEYS:
            found[key] = " ".join(shlex.split(value))
    variables = {key: f"PIP_{key.replace('-', '_').upper()}" for key in _PIP_KEYS}
    found |= {key: environ[name] for key, name in variables.items() if name in environ}
    lines = ["[global]"]
    for key, value in found.items():
        # a folder of this machine is not there in a build
        if there := [word for word in value.split() if not word.startswith("file:")]:
            lines.append(f"{key} = {' '.join(there)}")
    if certificates:
        lines.append(f"cert = {certificates}")
    return "\n".join(lines) + "\n"


@cache
def find_machine_pip_settings() -> str:
    """Return a pip.conf with which a machine of the sandbox finds this machine's indexes; empty where it needs none."""
    settings = find_pip_settings(os.environ, read_pip_config(), certificates=None)
    return settings if len(settings.splitlines()) > 1 else ""


def read_pip_config() -> str:
    """Return what pip's configuration files on this machine say, or nothing where there is no pip."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, cwd=Path("/")
    )
    return done.stdout if done.returncode == 0 else ""
