"""What a stranger on the network finds: open ports, and what TLS takes."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from typing import Any

import pytest
from sslyze.plugins.scan_commands import ScanCommand
from sslyze.scanner.models import ServerScanRequest, ServerScanResult
from sslyze.scanner.scanner import Scanner
from sslyze.server_setting import ServerNetworkLocation

from support.user import Api


@pytest.fixture(scope="module")
def scanned(attacked: dict[str, Any], ada: dict[str, Any]) -> ServerScanResult:
    """What sslyze found at the host's address."""
    commands = {
        ScanCommand.SSL_2_0_CIPHER_SUITES,
        ScanCommand.SSL_3_0_CIPHER_SUITES,
        ScanCommand.TLS_1_0_CIPHER_SUITES,
        ScanCommand.TLS_1_1_CIPHER_SUITES,
        ScanCommand.TLS_1_2_CIPHER_SUITES,
        ScanCommand.TLS_1_3_CIPHER_SUITES,
        ScanCommand.TLS_COMPRESSION,
        ScanCommand.HEARTBLEED,
        ScanCommand.SESSION_RENEGOTIATION,
    }
    scanner = Scanner()
    scanner.queue_scans([ServerScanRequest(ServerNetworkLocation(ada["address"], 443), scan_commands=commands)])
    return next(iter(scanner.get_results()))


def scan(address: str) -> set[int]:
    """The open ports of an address, as nmap finds them."""
    words = ["nmap", "-Pn", "-n", "-T4", "-p-", "--open", "-oG", "-", address]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return set(map(int, re.findall(r"(\d+)/open/tcp", found)))


def test_a_scan_of_all_ports_finds_ssh_and_https_and_nothing_else(ada: dict[str, Any]) -> None:
    # what this machine itself serves at every address of its loopback, now or a moment later, is no instance's
    before, found, after = scan("127.77.254.254"), scan(ada["address"]), scan("127.77.254.254")
    assert found - ((before | after) - {22, 443}) == {22, 443}


def test_the_security_group_admits_nothing_else(api: Api, attacked: dict[str, Any]) -> None:
    (group,) = api.tagged("pair")["security group"]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in group["IpPermissions"]} == {(22, 22), (443, 443)}
    assert {place["CidrIp"] for rule in group["IpPermissions"] for place in rule["IpRanges"]} == {"127.0.0.1/32"}


@pytest.mark.parametrize("version", ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"])
def test_no_old_version_of_tls_is_spoken(scanned: ServerScanResult, version: str) -> None:
    assert scanned.scan_result is not None
    found = getattr(scanned.scan_result, f"{version}_cipher_suites").result
    assert found.accepted_cipher_suites == []


def test_tls_1_3_is_spoken(scanned: ServerScanResult) -> None:
    assert scanned.scan_result is not None
    found = scanned.scan_result.tls_1_3_cipher_suites.result
    assert found is not None
    assert found.is_tls_version_supported


def test_every_suite_of_tls_1_2_has_forward_secrecy_and_authenticates(scanned: ServerScanResult) -> None:
    assert scanned.scan_result is not None
    found = scanned.scan_result.tls_1_2_cipher_suites.result
    assert found is not None
    names = [suite.cipher_suite.name for suite in found.accepted_cipher_suites]
    assert names
    assert [name for name in names if not re.match(r"TLS_ECDHE_.*(GCM|POLY1305)", name)] == []


def test_neither_heartbleed_nor_compression_nor_renegotiation_by_clients(scanned: ServerScanResult) -> None:
    result = scanned.scan_result
    assert result is not None
    assert result.heartbleed.result is not None
    assert result.tls_compression.result is not None
    assert result.session_renegotiation.result is not None
    assert not result.heartbleed.result.is_vulnerable_to_heartbleed
    assert not result.tls_compression.result.supports_compression
    assert not result.session_renegotiation.result.is_vulnerable_to_client_renegotiation_dos


def greet(address: str, name: str, context: ssl.SSLContext) -> str | None:
    """Connect as a client that expects this name, and answer the version of TLS."""
    with (
        socket.create_connection((address, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        return secure.version()


def test_the_certificate_is_of_the_deployments_ca_and_for_this_address(ada: dict[str, Any], ca_file: str) -> None:
    assert greet(ada["address"], ada["address"], ssl.create_default_context(cafile=ca_file)) == "TLSv1.3"


def test_who_does_not_know_the_ca_is_not_connected(ada: dict[str, Any]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(ada["address"], ada["address"], ssl.create_default_context())


def test_the_certificate_is_not_for_another_address(ada: dict[str, Any], ca_file: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(ada["address"], "127.77.255.1", ssl.create_default_context(cafile=ca_file))


def test_plain_http_is_not_answered(ada: dict[str, Any]) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ada["address"], 80), timeout=5).close()
