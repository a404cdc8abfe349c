"""The certificate of the registry, as an OpenSSL client sees it."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from dstk_runner.sandbox.certificates import ServerCertificate, issue_certificate

NAMES = ("quay.io", "127.0.0.1")


@pytest.fixture(scope="module")
def issued() -> ServerCertificate:
    return issue_certificate(NAMES)


def shake_hands(issued: ServerCertificate, folder: Path, name: str, *, authority: str) -> None:
    """Serve one connection with the certificate, and connect to it as to `name`, trusting `authority` alone."""
    (folder / "chain.pem").write_text(issued.certificate + issued.key, encoding="utf-8")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "chain.pem")
    trusting = ssl.create_default_context(cadata=authority)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            serving.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        trusting.wrap_socket(ours, server_hostname=name).close()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_the_server_is_trusted_under_each_of_its_names(issued: ServerCertificate, tmp_path: Path, name: str) -> None:
    shake_hands(issued, tmp_path, name, authority=issued.authority)


def test_the_server_is_trusted_under_no_other_name(issued: ServerCertificate, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(issued, tmp_path, "docker.io", authority=issued.authority)


def test_the_authority_of_another_registry_is_not_enough(issued: ServerCertificate, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(issued, tmp_path, "quay.io", authority=issue_certificate(NAMES).authority)
