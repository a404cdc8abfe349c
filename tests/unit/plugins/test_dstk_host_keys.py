"""Host keys come from AWS, and what is known stays as it is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from support.plugins import load_plugin

known_hosts = load_plugin("module_utils/dstk_known_hosts")

KEY, OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIGfirst", "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYsecond="
CONSOLE = f"""
[    5.1] cloud-init[812]: running
-----BEGIN SSH HOST KEY FINGERPRINTS-----
256 SHA256:abc root@ip-10-77-0-4 (ED25519)
-----END SSH HOST KEY FINGERPRINTS-----
-----BEGIN SSH HOST KEY KEYS-----\r
ecdsa-sha2-nistp256 {OTHER} root@ip-10-77-0-4\r
ssh-ed25519 {KEY} root@ip-10-77-0-4\r
-----END SSH HOST KEY KEYS-----\r
"""


def test_the_keys_are_read_from_the_block_that_cloud_init_prints() -> None:
    assert known_hosts.parse_console(CONSOLE) == [("ecdsa-sha2-nistp256", OTHER), ("ssh-ed25519", KEY)]


def test_of_two_first_boots_the_last_counts() -> None:
    assert known_hosts.parse_console(CONSOLE.replace(KEY, "AAAAold") + CONSOLE)[1] == ("ssh-ed25519", KEY)


@pytest.mark.parametrize("text", ["", "booting", "-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 AAAAhalf"])
def test_a_console_without_the_whole_block_has_no_keys(text: str) -> None:
    assert known_hosts.parse_console(text) == []


def test_a_key_that_somebody_prints_elsewhere_does_not_count() -> None:
    assert known_hosts.parse_console(f"user: ssh-ed25519 {OTHER}\n") == []


def test_hosts_are_added_under_their_ids_and_the_file_is_the_users_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "known_hosts"
    known_hosts.add_keys(file, {"i-1": [("ssh-ed25519", KEY)]})
    known_hosts.add_keys(file, {"i-2": [("ssh-ed25519", KEY)]})
    assert file.read_text() == f"i-1 ssh-ed25519 {KEY}\ni-2 ssh-ed25519 {KEY}\n"
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)


def test_a_key_that_is_known_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"i-1 ssh-ed25519 {KEY}")
    known_hosts.add_keys(file, {"i-1": [("ssh-ed25519", "AAAAother")]})
    assert file.read_text() == f"i-1 ssh-ed25519 {KEY}"


def test_a_file_without_a_last_line_end_is_added_to_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"i-1 ssh-ed25519 {KEY}")
    known_hosts.add_keys(file, {"i-2": [("ssh-ed25519", KEY)]})
    assert file.read_text().splitlines() == [f"i-1 ssh-ed25519 {KEY}", f"i-2 ssh-ed25519 {KEY}"]
