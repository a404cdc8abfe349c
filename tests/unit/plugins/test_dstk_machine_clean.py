"""What of a machine no other may have, found in a tree of files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from support.plugins import Load

OWN = (
    *("etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "root/.ssh", "home/ubuntu/.ssh"),
    *("etc/dstk/ada", "etc/dstk/tls", "srv/dstk", "var/lib/caddy/inside", "home/ubuntu/.bash_history", "root/.docker"),
    *("tmp/left", "var/lib/cloud", "var/lib/systemd/random-seed", "etc/systemd/system/dstk-forgotten.timer"),
)
NOT_OWN = (
    *(
        "etc/dstk/firewall.nft",
        "etc/ssh/sshd_config",
        "var/lib/docker/overlay2",
        "tmp/ansible_dstk_payload",
        "etc/fstab",
    ),
    # Caddy does not make its own home
    *("var/lib/caddy", "etc/fstab", "home/ubuntu/.bashrc", "var/lib/containerd", "etc/docker/daemon.json"),
    "etc/systemd/system/dstk-idle.timer",
)


@pytest.fixture(scope="module")
def clean(load: Load) -> ModuleType:
    return load("modules/dstk_machine_clean")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*OWN, *NOT_OWN):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix or "_" in path.name or path.name in ("fstab", "left"):
            path.write_text("something")
        else:
            (path / "inside").mkdir(parents=True, exist_ok=True)
    return tmp_path


def test_what_is_a_machine_s_own_goes_and_nothing_else(clean: ModuleType, root: Path) -> None:
    clean.remove(clean.find_own(root))
    assert [name for name in OWN if (root / name).exists()] == []
    assert [name for name in NOT_OWN if not (root / name).exists()] == []


def test_a_link_is_removed_and_what_it_leads_to_stays(clean: ModuleType, root: Path) -> None:
    (root / "tmp" / "link").symlink_to(root / "etc")
    clean.remove(clean.find_own(root))
    assert not (root / "tmp" / "link").is_symlink()
    assert (root / "etc" / "fstab").exists()


def test_logs_of_before_go_and_those_that_are_open_are_empty(clean: ModuleType, root: Path) -> None:
    logs = {"auth.log": True, "auth.log.1": False, "syslog.2.gz": False, "journal/0123/system.journal": False}
    for name in logs:
        path = root / "var/log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("who was here")
    clean.empty_logs(root)
    assert {name: (root / "var/log" / name).exists() for name in logs} == logs
    assert (root / "var/log/auth.log").read_text() == ""
