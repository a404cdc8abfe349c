"""The image for those who have only Docker: built, and tried against a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import ROOT
from support.user import Api, User

IMAGE = "dstk-test"


def docker(*arguments: str, stdin: bytes = b"") -> str:
    """Run the docker client; a failure fails the test with all that was printed."""
    environment = os.environ | {"DOCKER_BUILDKIT": "0"}
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, env=environment, timeout=900, check=False
    )
    if done.returncode:
        pytest.fail(f"docker {arguments[0]} exited {done.returncode}\n{done.stdout[-6000:]!r}\n{done.stderr[-6000:]!r}")
    return done.stdout.decode()


@pytest.fixture(scope="module")
def base(user: User) -> Iterator[str]:
    """A Debian with Python and this machine's package sources and CA, which the Dockerfile itself must not know."""
    root = docker("images", "--quiet", "dstk-sandbox-base").split()[0]
    machine = [n for n in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if n in os.environ]
    lines = [f"FROM {root}", "COPY ca.crt /etc/ssl/certs/ca-certificates.crt"]
    lines += [f"ENV {name}={os.environ[name]}" for name in machine]
    context = user.folder / "base"
    context.mkdir()
    (context / "Dockerfile").write_text("\n".join(lines))
    (context / "ca.crt").write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    docker("build", "--quiet", "--tag", f"{IMAGE}-base", str(context))
    yield f"{IMAGE}-base"
    docker("image", "rm", "--force", f"{IMAGE}-base")


@pytest.fixture(scope="module")
def image(base: str) -> Iterator[str]:
    """The image that the Dockerfile of the checkout makes from what git tracks."""
    archive = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    packed = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-"], cwd=ROOT, input=archive, capture_output=True, check=True
    ).stdout
    docker("build", "--quiet", "--network", "host", "--build-arg", f"BASE={base}", "--tag", IMAGE, "-", stdin=packed)
    yield IMAGE
    docker("image", "rm", "--force", IMAGE)


def test_the_image_explains_itself(image: str) -> None:
    assert "up" in docker("run", "--rm", image)


def test_the_image_plans_with_nothing_but_credentials(image: str, api: Api) -> None:
    settings = [word for name, value in api.environment.items() for word in ("--env", f"{name}={value}")]
    plan = json.loads(docker("run", "--rm", "--network", "host", *settings, image, "plan", "--json"))
    assert plan["ok"] is True
    assert plan["image"]["id"].startswith("ami-")
