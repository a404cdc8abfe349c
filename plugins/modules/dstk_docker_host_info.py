#!/usr/bin/python
"""Module: what the role docker_host needs to know of a machine, in one round trip."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: dstk_docker_host_info
short_description: What the role docker_host needs to know of a machine
version_added: "0.1.0"
author: dstk
description:
  - Waits for the end of the first boot, where the machine has cloud-init. Changes nothing.
  - One call in the place of ten, so that a machine on which all is well is left after one round trip.
options:
  user:
    description: Who is to use Docker without sudo.
    type: str
    required: true
  boot_timeout:
    description: Seconds to wait for cloud-init.
    type: int
    default: 900
"""

EXAMPLES = """
- name: The machine is known
  dstk_docker_host_info:
    user: ubuntu
"""

RETURN = """
system:
  description: The distribution's C(id), as Ubuntu or Debian, its C(release) and the C(architecture).
  type: dict
  returned: always
boot:
  description: C(code) and C(said) of cloud-init; 0 where there is none.
  type: dict
  returned: always
engine:
  description: Whether Docker Engine is C(unpacked), C(installed) to its last step, C(running), and C(enabled).
  type: dict
  returned: always
settings:
  description: The text of daemon.json, empty where there is none.
  type: str
  returned: always
packages_are_half:
  description: Whether dpkg was interrupted.
  type: bool
  returned: always
memory_mb:
  description: The machine's memory.
  type: int
  returned: always
swaps:
  description: The files and devices of the swap in use.
  type: list
  returned: always
fstab:
  description: The text of /etc/fstab.
  type: str
  returned: always
member:
  description: Whether the user is in the docker group.
  type: bool
  returned: always
user_may:
  description: Whether Docker answers the user in a new login.
  type: bool
  returned: always
user_namespaces:
  description: Whether the kernel has user namespaces.
  type: bool
  returned: always
remapped:
  description: Whether the ids of users in containers are listed.
  type: bool
  returned: always
networks:
  description: The networks of Docker.
  type: list
  returned: always
said:
  description: What it said where it did not answer.
  type: str
  returned: always
"""

UNIT = Path("/lib/systemd/system/docker.service")
ENABLED = Path("/etc/systemd/system/multi-user.target.wants/docker.service")
SETTINGS = Path("/etc/docker/daemon.json")
NAMESPACES = Path("/proc/sys/user/max_user_namespaces")
REMAP_USER = "dstk-remap"


def run(*arguments: str, timeout: float = 30) -> tuple[int, str]:
    """Run a command and answer its status and what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the arguments
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {timeout:.0f} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, (done.stdout + done.stderr).strip()


def read(path: Path) -> str:
    """Answer a file's text, empty where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def parse_release(text: str) -> dict[str, str]:
    """Answer the settings of /etc/os-release."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value.strip("\"'") for name, _, value in pairs}


def find_system(release: Mapping[str, str]) -> dict[str, str]:
    """Answer distribution, release and architecture."""
    return {
        "id": release.get("ID", "").capitalize(),
        "release": release.get("VERSION_CODENAME", ""),
        "architecture": platform.machine(),
    }


def find_membership(user: str) -> bool:
    """Answer whether a user is in the docker group."""
    try:
        group = grp.getgrnam("docker")
        return user in group.gr_mem or pwd.getpwnam(user).pw_gid == group.gr_gid
    except KeyError:
        return False


def find_answer(user: str) -> tuple[bool, str]:
    """Answer whether Docker answers the user in a new login, which is the one proof, and what it said."""
    code, said = run("runuser", "--user", user, "--", "docker", "version", "--format", "{{ .Server.Version }}")
    return code == 0, said


def find_all(user: str, boot_timeout: float) -> dict[str, Any]:
    """Answer the module's result."""
    code, said = 0, ""
    if Path("/usr/bin/cloud-init").exists():
        # 2 says that it finished with a warning
        code, said = run("cloud-init", "status", "--wait", timeout=boot_timeout)
    unpacked = UNIT.exists()
    running = unpacked and run("systemctl", "is-active", "docker")[0] == 0
    member = find_membership(user)
    asked, networks = run("docker", "network", "ls", "--format", "{{ .Name }}") if running else (1, "")
    may, answer = find_answer(user) if running and member else (False, "")
    updates = Path("/var/lib/dpkg/updates")
    return {
        "system": find_system(parse_release(read(Path("/etc/os-release")))),
        "boot": {"code": code, "said": said},
        "engine": {
            "unpacked": unpacked,
            # what an installation of either kind does last
            "installed": unpacked and ENABLED.exists(),
            "running": running,
            "enabled": ENABLED.exists(),
        },
        "settings": read(SETTINGS),
        "packages_are_half": updates.is_dir() and any(updates.iterdir()),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
        "swaps": [line.split()[0] for line in read(Path("/proc/swaps")).splitlines()[1:]],
        "fstab": read(Path("/etc/fstab")),
        "member": member,
        # 0 is how a kernel is told to have none
        "user_namespaces": read(NAMESPACES).strip() not in ("", "0"),
        "remapped": all(f"\n{REMAP_USER}:" in f"\n{read(path)}" for path in (Path("/etc/subuid"), Path("/etc/subgid"))),
        "networks": networks.split() if asked == 0 else [],
        "user_may": may,
        "said": answer,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            "boot_timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    started = time.monotonic()
    found = find_all(module.params["user"], module.params["boot_timeout"])
    module.exit_json(changed=False, elapsed=round(time.monotonic() - started, 1), **found)


if __name__ == "__main__":
    main()
