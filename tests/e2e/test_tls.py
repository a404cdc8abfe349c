"""Certificates of a real ACME server: asked for, fallen back from, served, and renewed without anybody."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import acme
from support.environment import BIN, ROOT
from support.user import Api, User

#: Seconds that a certificate lives here; Caddy renews it when a third of them is left.
LIFETIME = 45
NAME = "ada.class.example.edu"
PLAY = """
- hosts: dstk_hosts
  become: true
  gather_facts: false
  roles: [reverse_proxy]
"""


@dataclass(frozen=True)
class Host:
    """An instance whose proxy is all that is configured."""

    user: User
    address: str
    playbook: Path
    variables: dict[str, Any]
    server: acme.AcmeServer

    def configure(self, **more: Any) -> str:
        """Run the role as an engineer does, and return what Ansible said."""
        variables = json.dumps({**self.variables, **more})
        return self.user.shell(str(BIN / "ansible-playbook"), str(self.playbook), "-e", variables).stdout

    def told(self) -> dict[str, Any]:
        """What `dstk status` says of the certificates."""
        told: dict[str, Any] = self.user.document("status", "--sandbox", "--deployment", "named", check=False)["tls"]
        return told

    def served(self, authority: Path | str, name: str = NAME) -> bytes:
        """The certificate that a client gets who trusts this authority."""
        context = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection((self.address, 443), 5) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def host(user: User, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    engineer = User(ROOT, user.environment | api.environment)
    folder = tmp_path_factory.mktemp("acme")
    (folder / "proxy.yml").write_text(PLAY)
    with acme.opened(folder, seconds=LIFETIME) as server:
        variables = {
            **{"dstk_deployment": "named", "dstk_config": "", "dstk_tls": "auto", "dstk_domain": "class.example.edu"},
            **{"dstk_acme_server": server.directory, "dstk_acme_root": str(server.root)},
            # the proxy is installed here, and in no machine image
            **{"dstk_baked": "never", "dstk_caddy_source": "distribution", "reverse_proxy_renew_interval": "2s"},
        }
        provision = str(ROOT / "playbooks" / "provision.yml")
        engineer.shell(str(BIN / "ansible-playbook"), provision, "-e", json.dumps(variables))
        [instance] = api.tagged("named")["instance"]
        yield Host(engineer, instance["PublicIpAddress"], folder / "proxy.yml", variables, server)
        user.dstk("destroy", "--yes", "--sandbox", "--deployment", "named")


@pytest.fixture(scope="module")
def fallen_back(host: Host) -> Host:
    """Where the ACME server does not find the host by its name."""
    host.configure()
    return host


def test_where_the_acme_server_gives_none_the_reason_is_told(fallen_back: Host) -> None:
    told = fallen_back.told()
    assert told["mode"] == "private"
    assert acme.NOWHERE in told["reason"]


@pytest.mark.parametrize("name", [NAME, None])
def test_where_the_acme_server_gives_none_the_private_certificate_is_served(
    fallen_back: Host, name: str | None
) -> None:
    assert fallen_back.served(fallen_back.told()["ca_file"], name or fallen_back.address)


def test_a_request_that_failed_is_not_repeated_at_once(fallen_back: Host) -> None:
    assert "changed=0" in fallen_back.configure()


@pytest.fixture(scope="module")
def issued(fallen_back: Host) -> Host:
    """The same host, whose name has found its way."""
    fallen_back.server.resolve_to(fallen_back.address)
    fallen_back.configure(reverse_proxy_acme_pause=0)
    return fallen_back


def test_a_certificate_of_the_acme_server_is_served(issued: Host) -> None:
    assert issued.served(issued.server.issued_root)
    assert issued.told()["mode"] == "acme"


def test_a_second_run_leaves_a_good_certificate_alone(issued: Host) -> None:
    assert "changed=0" in issued.configure()


def test_port_80_leads_nowhere(issued: Host) -> None:
    plain = http.client.HTTPConnection(issued.address, 80, timeout=5)
    plain.request("GET", "/", headers={"Host": NAME})
    assert plain.getresponse().status == 404


def test_a_certificate_is_renewed_by_itself(issued: Host) -> None:
    first = issued.served(issued.server.issued_root)
    deadline = time.monotonic() + 2 * LIFETIME
    while issued.served(issued.server.issued_root) == first:
        assert time.monotonic() < deadline, "the certificate was not renewed"
        time.sleep(0.5)


def test_a_browser_is_told_to_come_by_tls_only(issued: Host) -> None:
    context = ssl.create_default_context(cafile=issued.server.issued_root)
    browser = http.client.HTTPSConnection(NAME, timeout=5, context=context)
    browser.sock = context.wrap_socket(socket.create_connection((issued.address, 443), 5), server_hostname=NAME)
    browser.request("GET", "/")
    assert browser.getresponse().getheader("Strict-Transport-Security")
