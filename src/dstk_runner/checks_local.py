"""Checks of this machine: programs, versions, the SSH key, Docker."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from dstk_runner.config import Config
from dstk_runner.project import find_project
from dstk_runner.results import Check

__all__ = ["check_docker", "check_key", "check_session_manager", "check_ssh", "check_versions"]

#: Where AWS's packages put it, and where Ansible's connection looks for it first.
_PLUGIN = "/usr/local/bin/session-manager-plugin"
_INSTALL_PLUGIN = (
    "install AWS's Session Manager plugin "
    "(https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html), "
    "or set `access: ssh`"
)
_INSTALL_SSH = "apt install openssh-client (macOS has it)"


def check_versions() -> list[Check]:
    """Compare Python, ansible-core and the collections with what dstk was written for."""
    python = platform.python_version()
    checks = [Check(name="python", status="ok" if sys.version_info >= (3, 11) else "fail", message=python)]
    try:
        core = version("ansible-core")
    except PackageNotFoundError:
        fix = "pip install ansible"
        return [*checks, Check(name="ansible", status="fail", message="ansible-core is not installed", fix=fix)]
    enough = tuple(map(int, core.split(".")[:2])) >= (2, 19)
    fix = "" if enough else "pip install --upgrade ansible"
    checks.append(Check(name="ansible", status="ok" if enough else "fail", message=f"ansible-core {core}", fix=fix))
    return [*checks, _check_collections()]


def _check_collections() -> Check:
    from packaging.specifiers import SpecifierSet

    requirements = find_project() / "requirements.yml"
    wanted = yaml.safe_load(requirements.read_text(encoding="utf-8"))["collections"]
    found = {item["name"]: _find_collection(item["name"]) for item in wanted}
    missing = [name for name, installed in found.items() if installed is None]
    old = [
        f"{item['name']} {installed} ({item['version']} is wanted)"
        for item in wanted
        if (installed := found[item["name"]]) and installed not in SpecifierSet(item["version"])
    ]
    if missing or old:
        message = "; ".join([*(f"{name} is missing" for name in missing), *old])
        fix = f"ansible-galaxy collection install -r {requirements}"
        return Check(name="collections", status="fail", message=message, fix=fix)
    return Check(name="collections", status="ok", message=", ".join(f"{name} {found[name]}" for name in sorted(found)))


def _find_collection(name: str) -> str | None:
    """Return the version of a collection, from the first place where Ansible would look."""
    own = os.environ.get("ANSIBLE_COLLECTIONS_PATH", "~/.ansible/collections:/usr/share/ansible/collections")
    for place in (*own.split(os.pathsep), *sys.path):
        manifest = Path(place).expanduser() / "ansible_collections" / name.replace(".", "/") / "MANIFEST.json"
        if manifest.is_file():
            return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return None


def check_ssh() -> list[Check]:
    """Look for the SSH client and for ssh-keygen."""
    missing = [name for name in ("ssh", "ssh-keygen") if not shutil.which(name)]
    if missing:
        message = f"{' and '.join(missing)} cannot be found"
        return [Check(name="ssh", status="fail", message=message, fix=_INSTALL_SSH)]
    return [Check(name="ssh", status="ok", message=str(shutil.which("ssh")))]


def check_session_manager(config: Config) -> list[Check]:
    """Look for what Ansible's connection by Session Manager starts, where the hosts are reached so."""
    if config.access != "ssm":
        return []
    found = _PLUGIN if Path(_PLUGIN).exists() else shutil.which("session-manager-plugin")
    if found:
        return [Check(name="session", status="ok", message=found)]
    message = "session-manager-plugin cannot be found"
    return [Check(name="session", status="fail", message=message, fix=_INSTALL_PLUGIN)]


def check_key(config: Config) -> list[Check]:
    """See whether the private key can be used without anybody typing, and is of a kind that AWS takes."""
    path = config.ssh_key_path
    if not path.exists():
        if config.ssh_key == "auto":
            return [Check(name="ssh_key", status="ok", message=f"{path} will be made")]
        message, fix = f"{path} does not exist", f"ssh-keygen -t ed25519 -f {path}, or name another ssh_key"
        return [Check(name="ssh_key", status="fail", message=message, fix=fix, request=True)]
    if not os.access(path, os.R_OK):
        message, fix = f"{path} cannot be read", f"make it yours: chown $USER {path} && chmod 600 {path}"
        return [Check(name="ssh_key", status="fail", message=message, fix=fix)]
    keygen = shutil.which("ssh-keygen")
    if not keygen:
        return [Check(name="ssh_key", status="skipped", message="ssh-keygen cannot be found", fix=_INSTALL_SSH)]
    return [_read_key(keygen, path)]


def _read_key(keygen: str, path: Path) -> Check:
    # -P "": a key with a passphrase answers no, instead of asking
    answer = subprocess.run([keygen, "-y", "-P", "", "-f", str(path)], capture_output=True, text=True, check=False)  # noqa: S603 - a path, no shell
    kind = answer.stdout.partition(" ")[0]
    if kind in ("ssh-ed25519", "ssh-rsa"):
        return Check(name="ssh_key", status="ok", message=f"{path} ({kind.removeprefix('ssh-')})")
    if kind:
        message, fix = f"AWS takes no keys of the kind {kind} ({path})", "name an ed25519 or RSA key with ssh_key"
        return Check(name="ssh_key", status="fail", message=message, fix=fix, request=True)
    if "passphrase" in answer.stderr:
        if os.environ.get("SSH_AUTH_SOCK"):
            return Check(name="ssh_key", status="ok", message=f"{path} has a passphrase; your ssh-agent answers for it")
        message, fix = f"{path} has a passphrase and no agent knows it", f'eval "$(ssh-agent)" && ssh-add {path}'
        return Check(name="ssh_key", status="fail", message=message, fix=fix)
    if "permissions" in answer.stderr.lower():
        return Check(name="ssh_key", status="fail", message=f"others can read {path}", fix=f"chmod 600 {path}")
    message, fix = f"{path} is not a private key", "name the private key, not the .pub file, with ssh_key"
    return Check(name="ssh_key", status="fail", message=message, fix=fix, request=True)


def check_docker() -> list[Check]:
    """See whether Docker answers here. Only the sandbox uses it, and that installs or starts it by itself."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
        message = f"Docker {client.version()['Version']}"
        client.close()
    except DockerException:
        fix = "only the sandbox needs it: `dstk sandbox up` installs and starts it"
        return [Check(name="docker", status="warn", message="no Docker daemon answers here", fix=fix)]
    return [Check(name="docker", status="ok", message=message)]
