"""`docker pull` inside a machine, from what answers as quay.io there."""

from __future__ import annotations

import json

import pytest

from dstk_runner.sandbox.notebook import find_public_images
from dstk_runner.sandbox.registry import Registry, ensure_registry
from support.machine import Machine, until


@pytest.fixture(scope="module")
def notebook(docker_machine: Machine) -> str:
    """The default image, pulled."""
    image = find_public_images()[0]
    docker_machine.ssh(f"sudo docker pull --quiet {image}")
    return image


def test_docker_stores_layers_in_an_overlay(docker_machine: Machine) -> None:
    assert docker_machine.ssh("sudo docker info --format '{{.Driver}}'").stdout.strip() == "overlay2"


@pytest.mark.parametrize("image", ["quay.io/jupyter/r-notebook:2026-01-05", "quay.io/jupyter/base-notebook:1999-01-01"])
def test_an_image_that_is_not_there_is_unknown(docker_machine: Machine, image: str) -> None:
    done = docker_machine.ssh(f"sudo docker pull {image}", check=False)
    assert "manifest unknown" in done.stderr


def test_nobody_can_push(docker_machine: Machine, notebook: str) -> None:
    other = "quay.io/jupyter/other:1"
    done = docker_machine.ssh(f"sudo docker tag {notebook} {other} && sudo docker push {other}", check=False)
    assert done.returncode != 0


def test_a_registry_that_has_all_is_not_filled_again(registry: Registry) -> None:
    said: list[str] = []
    ensure_registry(registry.images, said.append)
    assert said == []


def test_the_notebook_runs_as_its_user_without_privileges(docker_machine: Machine, notebook: str) -> None:
    options = "--user 1000:100 --cap-drop ALL --security-opt no-new-privileges --publish 8888:8888 --memory 512m"
    home = "sudo install -d -o 1000 -g 100 -m 0700 /srv/home"
    docker_machine.ssh(f"{home} && sudo docker run -d --name nb {options} -v /srv/home:/home/jovyan {notebook}")
    until(lambda: docker_machine.ssh("curl -fsS localhost:8888/api", check=False).returncode == 0)
    assert docker_machine.ssh("sudo docker exec nb id").stdout.startswith("uid=1000(jovyan) gid=100(users)")


def test_the_image_s_history_tells_nothing_of_this_machine(docker_machine: Machine, notebook: str) -> None:
    history = docker_machine.ssh(f"sudo docker history --no-trunc --format '{{{{.CreatedBy}}}}' {notebook}").stdout
    assert not [line for line in history.splitlines() if "pip.conf" in line or "proxy" in line.lower()]


def test_the_image_s_environment_is_that_of_the_public_one(docker_machine: Machine, notebook: str) -> None:
    read = f"sudo docker inspect --format '{{{{json .Config.Env}}}}' {notebook}"
    names = {entry.partition("=")[0] for entry in json.loads(docker_machine.ssh(read).stdout)}
    wanted = {"CONDA_DIR", "HOME", "JUPYTER_PORT", "LANG", "LC_ALL", "NB_GID", "NB_UID", "NB_USER", "PATH", "SHELL"}
    assert names == wanted
