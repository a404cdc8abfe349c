#!/usr/bin/python
"""Module: firewall, SSH, updates and bans of a host are as they should be."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: dstk_host_security
short_description: Firewall, SSH, updates and bans of a host are as they should be
version_added: "0.4.0"
author: dstk
description:
  - Compares a bundle of files with what is on the host, writes what differs, and lets the services read it, all in one
    round trip. Where packages are missing it does nothing but name them.
  - Settings of sshd that sshd does not take are put back.
options:
  packages:
    description: The Debian packages that have to be there.
    type: list
    elements: str
    required: true
  files:
    description: The text of each file by its path.
    type: dict
    required: true
  access_log:
    description: The log that fail2ban reads. It is made where it is missing, for fail2ban does not start without it.
    type: path
    required: true
"""

EXAMPLES = """
- name: The host is secured
  dstk_host_security:
    packages: [nftables, fail2ban, unattended-upgrades]
    files: {/etc/dstk/firewall.nft: "table inet dstk {}"}
    access_log: /var/log/caddy/access.log
"""

RETURN = """
missing:
  description: Packages that are not installed.
  type: list
  elements: str
  returned: always
written:
  description: The files that were written, or in check mode would be.
  type: list
  elements: str
  returned: always
started:
  description: The services that were not running as they should.
  type: list
  elements: str
  returned: always
"""

FIREWALL, BANS = "dstk-firewall", "fail2ban"


def run(*arguments: str) -> tuple[int, str]:
    """Run a command and answer its status and what it said."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the arguments
            arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, (done.stdout + done.stderr).strip()


def find_missing(packages: Sequence[str]) -> list[str]:
    """Answer the packages that are not installed."""
    _, said = run("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages)
    installed = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    return [name for name in packages if name not in installed]


def find_differing(files: Mapping[str, str]) -> dict[str, str | None]:
    """Answer what stands now in the files that differ; None where there is none."""
    now = {path: Path(path).read_text(encoding="utf-8") if Path(path).is_file() else None for path in files}
    return {path: text for path, text in now.items() if text != files[path]}


def write(path: Path, text: str) -> None:
    """Put a file in its place whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)


def find_idle() -> list[str]:
    """Answer the services that do not run, or whose work is undone."""
    idle = []
    if run("nft", "list", "table", "inet", "dstk")[0] or run("systemctl", "is-enabled", FIREWALL)[0]:
        idle.append(FIREWALL)
    if run("systemctl", "is-active", BANS)[0] or run("systemctl", "is-enabled", BANS)[0]:
        idle.append(BANS)
    return idle


def ensure_log(path: Path) -> None:
    """Make a log that nothing was written to yet; who writes it may own it later."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o640)


def ensure_sshd(before: Mapping[str, str | None]) -> None:
    """Let sshd read its settings, or put back what was there before where it does not take them.

    Raises:
        OSError: it does not take them.
    """
    # its folder of privilege separation is systemd's, and gone where no connection came yet
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    code, said = run("/usr/sbin/sshd", "-t")
    if code == 0:
        code, said = run("systemctl", "reload", "ssh")
    if code:
        for path, text in before.items():
            if text is None:
                Path(path).unlink()
            else:
                write(Path(path), text)
        raise OSError(f"sshd does not take its settings: {said}")


def ensure_started(service: str) -> None:
    """Enable a service, start it, and let it read its settings.

    Raises:
        OSError: it does not start.
    """
    for words in (("enable", service), ("reload-or-restart", service)):
        code, said = run("systemctl", *words)
        if code:
            raise OSError(f"{service} does not start: {said}")


def ensure_secured(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Bring all of it about, and answer the module's result."""
    files: dict[str, str] = parameters["files"]
    missing, before = find_missing(parameters["packages"]), find_differing(files)
    idle = [] if missing else find_idle()
    result = {
        "changed": bool(before or idle) and not missing,
        "missing": missing,
        "written": sorted(before),
        "started": idle,
        "diff": {
            "before": "".join(text or "" for text in before.values()),
            "after": "".join(files[path] for path in before),
        },
    }
    if check or missing:
        return result
    for path in before:
        write(Path(path), files[path])
    ssh = {path: text for path, text in before.items() if path.startswith("/etc/ssh/")}
    if ssh:
        ensure_sshd(ssh)
    if any(path.startswith("/etc/systemd/") for path in before):
        run("systemctl", "daemon-reload")
    if FIREWALL in idle or any("firewall" in path for path in before):
        ensure_started(FIREWALL)
    ensure_log(Path(parameters["access_log"]))
    if BANS in idle or any(path.startswith("/etc/fail2ban/") for path in before):
        ensure_started(BANS)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "files": {"type": "dict", "required": True},
            "access_log": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    try:
        module.exit_json(**ensure_secured(module.params, module.check_mode))
    except OSError as error:
        module.fail_json(
            msg=f"The host could not be secured: {error}\nFix: see the message above (`dstk ssh -- sudo journalctl "
            "-xe` shows more), and run the same command again."
        )


if __name__ == "__main__":
    main()
