from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dstk_runner.checks_local import check_key, check_session_manager, check_ssh, check_versions
from dstk_runner.config import load_config
from dstk_runner.results import Check


def check(path: Path | str) -> Check:
    [found] = check_key(load_config({"ssh_key": str(path)}))
    return found


def make_key(path: Path, *, kind: str = "ed25519", words: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", words, "-f", path], check=True)
    return path


def test_this_installation_is_of_the_wanted_versions() -> None:
    assert {found.name: found.status for found in check_versions()} == {
        "python": "ok",
        "ansible": "ok",
        "collections": "ok",
    }


def test_a_collection_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "ansible_collections" / "amazon" / "aws"
    folder.mkdir(parents=True)
    (folder / "MANIFEST.json").write_text('{"collection_info": {"version": "7.0.0"}}')
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path))
    found = check_versions()[-1]
    assert "amazon.aws 7.0.0" in found.message
    assert "ansible-galaxy collection install -r" in found.fix


def test_a_missing_ssh_client_says_which_package_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [found] = check_ssh()
    assert (found.status, "openssh-client" in found.fix) == ("fail", True)


def test_a_user_without_a_key_gets_one(home: Path) -> None:
    assert check("auto").message == f"{home}/.ssh/id_ed25519 will be made"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_keys_that_aws_takes_are_fine(home: Path, kind: str) -> None:
    assert check(make_key(home / "key", kind=kind)).status == "ok"


def test_a_key_of_a_kind_that_aws_refuses_is_a_wrong_request(home: Path) -> None:
    found = check(make_key(home / "key", kind="ecdsa"))
    assert (found.status, found.request, "ecdsa" in found.message) == ("fail", True, True)


def test_a_named_key_that_is_missing_is_a_wrong_request(home: Path) -> None:
    found = check(home / "none")
    assert (found.status, found.request) == ("fail", True)


def test_the_public_half_is_not_the_key(home: Path) -> None:
    make_key(home / "key")
    (home / "key.pub").chmod(0o600)
    assert "not the .pub file" in check(home / "key.pub").fix


def test_a_passphrase_without_an_agent_says_how_to_start_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "ssh-add" in check(make_key(home / "key", words="open sesame")).fix


def test_a_passphrase_is_left_to_the_agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert check(make_key(home / "key", words="open sesame")).status == "ok"


def test_a_key_that_others_can_read_is_refused_as_ssh_would(home: Path) -> None:
    key = make_key(home / "key")
    key.chmod(0o644)
    assert check(key).fix == f"chmod 600 {key}"


def test_the_plugin_of_session_manager_is_asked_for_only_where_it_is_used() -> None:
    assert check_session_manager(load_config({})) == []


def test_without_the_plugin_of_session_manager_its_page_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [found] = check_session_manager(load_config({"access": "ssm"}))
    assert (found.status, "docs.aws.amazon.com" in found.fix) == ("fail", True)
