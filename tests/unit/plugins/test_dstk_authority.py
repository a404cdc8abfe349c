"""The deployment's certificate authority, and what it signs."""

from __future__ import annotations

import datetime as dt
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dstk_runner.sandbox.certificates import issue_certificate
from support.plugins import Load

ADDRESS = "203.0.113.7"
NAMES = [ADDRESS, "ada.class.example.edu"]
DOMAIN = "class.example.edu"
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def authority(load: Load) -> ModuleType:
    return load("module_utils/dstk_authority")


@pytest.fixture
def vault(authority: ModuleType, tmp_path: Path) -> Any:
    return authority.Vault(tmp_path / "state" / "csx450" / "tls", "csx450", DOMAIN)


@pytest.fixture(scope="module")
def request_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return asked.public_bytes(serialization.Encoding.PEM).decode()


def need(authority: ModuleType, signed: tuple[str, str], **more: Any) -> str:
    fields = {"names": NAMES, "domain": DOMAIN, "now": NOW} | more
    return str(authority.find_need(*signed, **fields))


def test_what_it_signs_is_good(authority: ModuleType, vault: Any, request_pem: str) -> None:
    assert need(authority, vault.sign(request_pem, NAMES)) == ""


@pytest.mark.parametrize("option", [["-verify_ip", ADDRESS], ["-verify_hostname", NAMES[1]]])
def test_openssl_finds_it_good(vault: Any, request_pem: str, tmp_path: Path, option: list[str]) -> None:
    certificate, own = vault.sign(request_pem, NAMES)
    (tmp_path / "cert.pem").write_text(certificate)
    (tmp_path / "ca.pem").write_text(own)
    command = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", *option, "cert.pem"]
    assert subprocess.run(command, capture_output=True, check=False, cwd=tmp_path).returncode == 0


def test_it_can_sign_for_no_other_domain(vault: Any, request_pem: str, tmp_path: Path) -> None:
    certificate, own = vault.sign(request_pem, ["www.example.com"])
    (tmp_path / "cert.pem").write_text(certificate)
    (tmp_path / "ca.pem").write_text(own)
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "cert.pem"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "permitted subtree violation" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["203.0.113.8", NAMES[1]]},
        {"names": [ADDRESS]},
        {"domain": "other.example.edu"},
        {"now": NOW + dt.timedelta(days=368)},
    ],
)
def test_a_new_one_is_needed(authority: ModuleType, vault: Any, request_pem: str, change: dict[str, Any]) -> None:
    assert need(authority, vault.sign(request_pem, NAMES), **change) != ""


def test_a_host_that_has_none_needs_one(authority: ModuleType) -> None:
    assert need(authority, ("", "")) == "there is none"


def test_one_that_somebody_else_s_authority_signed_is_good_while_it_lives(
    authority: ModuleType, request_pem: str, tmp_path: Path
) -> None:
    other = authority.Vault(tmp_path / "another" / "laptop" / "tls", "csx450", DOMAIN)
    assert need(authority, other.sign(request_pem, NAMES)) == ""


def test_the_key_is_its_owner_s_alone(vault: Any, request_pem: str) -> None:
    vault.sign(request_pem, NAMES)
    assert [path.stat().st_mode & 0o777 for path in (vault.folder / "ca.key", vault.folder)] == [0o600, 0o700]


def test_hosts_that_are_served_at_once_have_one_authority(vault: Any, request_pem: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({own for _, own in pool.map(lambda _: vault.sign(request_pem, NAMES), range(8))}) == 1


def test_an_authority_of_another_domain_is_made_anew(authority: ModuleType, vault: Any, request_pem: str) -> None:
    first = vault.sign(request_pem, NAMES)[1]
    moved = authority.Vault(vault.folder, "csx450", "")
    assert moved.sign(request_pem, [ADDRESS])[1] != first


def test_the_bundle_holds_each_authority_once(authority: ModuleType, vault: Any, request_pem: str) -> None:
    other = authority.Vault(vault.folder.parents[2] / "b" / "c" / "tls", "csx450", DOMAIN)
    for own in (vault.sign(request_pem, NAMES)[1], other.sign(request_pem, NAMES)[1]):
        assert [vault.trust(own), vault.trust(own)] == [True, False]
    assert vault.bundle.read_text().count("BEGIN") == 2


def test_an_authority_that_is_bound_to_nothing_is_not_trusted(vault: Any) -> None:
    assert not vault.trust(issue_certificate([ADDRESS]).authority)
