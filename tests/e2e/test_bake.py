"""A machine image of one's own: made, looked into, and a notebook that begins with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner.sandbox.kept import REPOSITORY
from support.browser import log_in, page
from support.user import Api, User

OPTIONS = ("--sandbox", "--deployment", "baked")


@pytest.fixture(scope="module")
def deployment(user: User, baking: dict[str, Any]) -> Iterator[dict[str, Any]]:
    assert baking["ok"], baking
    yield user.document("up", "--yes", *OPTIONS)
    user.dstk("destroy", "--yes", *OPTIONS)


def look(image: str, command: str) -> str:
    """Run a command in what the image holds of the root volume."""
    name = f"{REPOSITORY}:dstk-{image}"
    asked = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", name, "-c", command]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def test_nothing_but_the_image_is_left_of_the_host_it_was_made_of(user: User, baking: dict[str, Any], api: Api) -> None:
    assert baking["ok"], baking
    listed = user.document("bake", "--list", *OPTIONS)["images"]
    assert [image["id"] for image in listed] == [image["id"] for image in baking["images"]] == [baking["image_id"]]
    assert api.left("baked-bake") == {}


def test_the_image_holds_nothing_that_is_a_machine_s_own(baking: dict[str, Any]) -> None:
    secrets = (
        "ls -d /etc/ssh/ssh_host_* /root/.ssh /home/*/.ssh /var/lib/caddy/* /srv/dstk /home/*/.*_history 2>/dev/null"
    )
    assert look(baking["image_id"], f"{secrets}; cat /etc/machine-id") == ""
    assert look(baking["image_id"], "find /etc/systemd -name 'dstk-forgotten*'") == ""
    assert look(baking["image_id"], "ls /etc/dstk") == "firewall.nft\n"
    assert look(baking["image_id"], "find /var/log -name dpkg.log -size +0") == ""


def test_a_notebook_begins_with_it(deployment: dict[str, Any], baking: dict[str, Any]) -> None:
    assert (deployment["ok"], deployment["image"]["id"]) == (True, baking["image_id"])
    [notebook] = deployment["notebooks"]
    with page(deployment["tls"]) as browser:
        log_in(browser, notebook["url"], notebook["password"])


def test_its_notebook_image_was_not_pulled_again(user: User, deployment: dict[str, Any]) -> None:
    assert deployment["ok"]
    # the log of the builder's pull was emptied
    command = "wc -c </var/log/dstk/pull.log; docker ps --all --quiet | wc -l"
    asked = user.dstk("ssh", *OPTIONS, "--", "sudo", "sh", "-c", f"'{command}'")
    assert asked.stdout.split() == ["0", "1"]


def test_no_package_was_installed_on_it(user: User, deployment: dict[str, Any]) -> None:
    assert deployment["ok"]
    # the builder's was removed, and unattended-upgrades, which may be at work by now, is none of dstk's
    asked = user.dstk("ssh", *OPTIONS, "--", "sudo", "sh", "-c", "'cat /var/log/apt/history.log; dpkg -l xfsprogs'")
    assert [line for line in asked.stdout.splitlines() if "apt-get" in line] == []
    assert "ii  xfsprogs" in asked.stdout


def test_the_receipt_of_destroy_names_it(user: User, deployment: dict[str, Any], baking: dict[str, Any]) -> None:
    assert deployment["ok"]
    receipt = json.loads(user.dstk("destroy", "--yes", "--json", *OPTIONS).stdout)
    assert (receipt["ok"], [image["id"] for image in receipt["images"]]) == (True, [baking["image_id"]])
