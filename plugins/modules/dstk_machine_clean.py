#!/usr/bin/python
"""Module: a machine holds nothing that is its own, so that an image of it may become others."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: dstk_machine_clean
short_description: A machine holds nothing that is its own
version_added: "0.1.0"
author: dstk
description:
  - Removes what tells machines apart, and what nobody else may have, so that an image can be made of the machine. The
    images of Docker stay, and so does all that is installed.
  - The machine is of no use for anything else afterwards. Nobody can log in anew until it has booted from an image.
options: {}
"""

EXAMPLES = """
- name: The host holds nothing that is its own
  dstk_machine_clean:
"""

RETURN = """
removed:
  description: What was removed, or in check mode would be.
  type: list
  elements: str
  returned: always
"""

#: What goes, by what it is.
OWN = {
    "keys of SSH, by which the machine is known": ("/etc/ssh/ssh_host_*",),
    "who may log in": ("/root/.ssh", "/home/*/.ssh"),
    "keys, certificates and passwords of notebooks": ("/etc/dstk/*", "/srv/dstk", "/var/lib/caddy/*"),
    "logins of registries, and histories": (
        *(
            f"{home}/{name}"
            for home in ("/root", "/home/*")
            for name in (".docker", ".ansible", ".ansible_async", ".cache", ".step", ".*_history")
        ),
    ),
    "what was left on the way": ("/tmp/*", "/var/tmp/*", "/var/lib/fail2ban/*", "/var/crash/*"),  # noqa: S108
    "what stops a host that nobody sets up: a new one gets its own, or none": (
        "/etc/systemd/system/dstk-forgotten.*",
        "/etc/systemd/system/timers.target.wants/dstk-forgotten.timer",
    ),
    "what cloud-init knows of the instance": ("/var/lib/cloud", "/var/log/cloud-init*"),
    "what it was at the start": ("/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed", "/var/lib/dhcp/*"),
    "what it seals with": ("/var/lib/systemd/credential.secret",),
}
#: Docker does not start without the firewall, whose rules name no secret.
KEPT = frozenset({"/etc/dstk/firewall.nft"})
#: Of what runs at this moment, this module among it.
IN_USE = ("ansible_", "systemd-private-", "snap-private-")
#: Written empty: systemd makes one anew where the file is there and empty.
EMPTIED = ("/etc/machine-id",)
LOGS = "/var/log"


def find_own(root: Path) -> list[Path]:
    """Answer what is to be removed, as it stands in a file system."""
    found = [path for patterns in OWN.values() for pattern in patterns for path in root.glob(pattern.lstrip("/"))]
    return sorted(
        path for path in found if f"/{path.relative_to(root)}" not in KEPT and not path.name.startswith(IN_USE)
    )


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders, never what a symbolic link leads to."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def empty_logs(root: Path) -> list[Path]:
    """Remove logs of before, and empty those that programs have open; answer both."""
    logs = sorted(path for path in (root / LOGS.lstrip("/")).rglob("*") if path.is_file() and not path.is_symlink())
    for path in logs:
        if path.suffix in (".gz", ".xz", ".journal", ".journal~", ".1", ".old"):
            path.unlink()
        else:
            path.write_bytes(b"")
    return logs


def run(*arguments: str, fail: bool = True) -> str:
    """Run a command, and answer what it wrote."""
    done = subprocess.run(  # noqa: S603 - no shell reads the arguments
        arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    if fail and done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def clean_docker() -> None:
    """Remove containers and all that they wrote. Images stay, with the layers that builds made them of."""
    containers = run("docker", "ps", "--all", "--quiet").split()
    if containers:
        run("docker", "rm", "--force", "--volumes", *containers)
    run("docker", "volume", "prune", "--force")
    run("docker", "builder", "prune", "--force", fail=False)  # Docker of before BuildKit knows none


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    root = Path("/")
    own = find_own(root)
    told = [str(path) for path in own]
    if module.check_mode:
        module.exit_json(changed=True, removed=told)
    try:
        if shutil.which("docker"):
            clean_docker()
        for unit in ("fail2ban", "caddy", "rsyslog"):
            run("systemctl", "stop", unit, fail=False)
        if shutil.which("cloud-init"):
            run("cloud-init", "clean", "--logs")
        run("journalctl", "--rotate", fail=False)
        remove(own)
        empty_logs(root)
        for name in EMPTIED:
            (root / name.lstrip("/")).write_bytes(b"")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        module.fail_json(msg=f"The host could not be cleaned: {error}\nFix: run dstk bake again; it takes a new host.")
    module.exit_json(changed=True, removed=told)


if __name__ == "__main__":
    main()
