"""Secrets, looked for where they must not be."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import on_host
from support.environment import ROOT
from support.user import Api, User


@pytest.fixture(scope="module")
def secrets(attacked: dict[str, Any], ada: dict[str, Any], ca_file: str) -> list[str]:
    """What nobody else may see: passwords, hashes, keys of cookies, a cookie in use, the CA's key."""
    known = Attacker(ada, ca_file)
    known.log_in(ada["password"])
    found = [notebook["password"] for notebook in attacked["notebooks"]] + [known.cookies["dstk-ada"]]
    for student in ("ada", "ben"):
        folder = f"/etc/dstk/{student}/jupyter"
        config = json.loads(on_host(ada["instance_id"], "cat", f"{folder}/jupyter_server_config.json").stdout)
        found.append(config["PasswordIdentityProvider"]["hashed_password"])
        found.append(on_host(ada["instance_id"], "base64", "-w0", f"{folder}/cookie_secret").stdout)
    key = Path(ca_file).with_name("ca.key").read_text().splitlines()
    return [text for text in [*found, key[1]] if text]


def leaked(secrets: list[str], text: str) -> list[str]:
    """Those of the secrets that stand in a text, in clear or in base64."""
    coded = [base64.b64encode(secret.encode()).decode().rstrip("=") for secret in secrets]
    return [secret[:6] for secret in [*secrets, *coded] if secret in text]


def test_there_are_secrets_to_look_for(secrets: list[str]) -> None:
    assert len(secrets) == 8
    assert leaked(secrets, f"xx{secrets[0]}yy") == [secrets[0][:6]]


@pytest.mark.parametrize(
    "command",
    [
        "ps auxww; cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '",
        "docker ps -aq | xargs docker inspect; docker image ls -q | xargs docker image inspect",
        "docker ps -aq | xargs -n1 docker logs 2>&1",
        "journalctl --no-pager -o cat",
        "cat /var/log/caddy/* /var/log/fail2ban.log /var/log/dstk/* /var/log/auth.log 2>/dev/null",
        "cat /etc/caddy/* /etc/docker/daemon.json /etc/fstab",
        "cat /tmp/* /var/tmp/* 2>/dev/null; find /home/ubuntu -type f | xargs cat 2>/dev/null",
    ],
)
def test_no_secret_is_in_sight_on_the_host(secrets: list[str], ada: dict[str, Any], command: str) -> None:
    shown = on_host(ada["instance_id"], "sh", "-c", command, check=False).stdout
    assert shown
    assert leaked(secrets, shown) == []


def test_no_secret_is_in_a_tag_or_in_user_data(secrets: list[str], ada: dict[str, Any], api: Api) -> None:
    told = str(api.tagged("pair"))
    answer = api.client().describe_instance_attribute(InstanceId=ada["instance_id"], Attribute="userData")
    data = base64.b64decode(answer["UserData"]["Value"]).decode()
    assert data.startswith("#!/bin/sh\n")
    console = api.client().get_console_output(InstanceId=ada["instance_id"])
    assert leaked(secrets, f"{told} {data} {console}") == []
    assert "PRIVATE KEY" not in data


def test_no_secret_is_in_a_log_of_dstk(secrets: list[str], teacher: User) -> None:
    teacher.dstk("logs")
    logs = list(Path(state_of(teacher)).rglob("logs/*"))
    assert logs
    assert [leaked(secrets, file.read_text(errors="replace")) for file in logs if file.is_file()] == [[]] * len(logs)


def test_files_with_secrets_are_the_users_alone(teacher: User) -> None:
    found = list(Path(state_of(teacher)).rglob("*"))
    folders = [path for path in found if path.is_dir()]
    private = [path for path in found if path.is_file() and (path.parent.name == "passwords" or path.suffix == ".key")]
    assert len(private) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_on_the_host_only_root_reads_a_password(ada: dict[str, Any]) -> None:
    shown = on_host(ada["instance_id"], "stat", "-c", "%U %a", "/etc/dstk/ada/password").stdout.split()
    assert shown == ["root", "600"]
    login = on_host(
        ada["instance_id"], "su", "ubuntu", "-s", "/bin/sh", "-c", "cat /etc/dstk/ada/password", check=False
    )
    assert login.returncode != 0


def test_the_key_of_the_ca_never_leaves_the_controller(ada: dict[str, Any], ca_file: str) -> None:
    line = Path(ca_file).with_name("ca.key").read_text().splitlines()[1]
    search = f"grep -rlF '{line}' /etc /home /root /tmp /var/lib/caddy"
    found = on_host(ada["instance_id"], "sh", "-c", search, check=False)
    assert found.stdout == ""


def test_nothing_of_a_run_stays_in_the_temporary_folder(
    attacked: dict[str, Any], teacher: User, short_home: Path
) -> None:
    User(teacher.folder, teacher.environment | {"TMPDIR": str(short_home)}).document("status")
    # those are of this machine's sandboxes, and empty
    assert [path.name for path in short_home.iterdir() if not path.match("dstk-sandbox-*.lock")] == []
    assert {path.stat().st_size for path in short_home.iterdir()} == {0}


def test_nothing_is_written_into_the_project(secrets: list[str]) -> None:
    texts = [path.read_text(errors="replace") for path in ROOT.glob("*.*") if path.is_file()]
    assert [leaked(secrets, text) for text in texts] == [[]] * len(texts)


def state_of(teacher: User) -> str:
    """The deployment's own folder on the controller."""
    return str(Path(teacher.environment["HOME"]) / ".local/share/dstk/pair")
