#!/usr/bin/python
"""Module: an image with more packages is on the host."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebooks import find_images, run

DOCUMENTATION = """
module: dstk_notebook_image
short_description: An image with more packages is on the host
version_added: "0.1.0"
author: dstk
description:
  - Adds packages to an image, and makes nothing where an image of that name is there.
  - How the host itself reaches its package index, C(/etc/pip.conf) and its CA certificates, is lent to the build as
    BuildKit secrets and ends in no layer.
options:
  name:
    description: What the new image is called.
    type: str
    required: true
  base:
    description: The image that it is made of.
    type: str
    required: true
  pip:
    description: Packages for pip, as pip writes them.
    type: list
    elements: str
    default: []
  apt:
    description: Packages for apt.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that it may take.
    type: int
    default: 1800
"""

EXAMPLES = """
- name: The image with more packages is made
  dstk_notebook_image:
    name: dstk/notebook:0123456789abcdef
    base: quay.io/jupyter/minimal-notebook:2026-08-24
    pip: [nbgitpuller]
"""

RETURN = """
said:
  description: The last lines of the build.
  type: str
  returned: when it was made
"""

SECRETS = {
    "pip": Path("/etc/pip.conf"),
    "ca": Path("/etc/ssl/certs/ca-certificates.crt"),
}


_NO_PACKAGE = (
    re.compile(r"No matching distribution found for (?P<name>\S+)"),
    re.compile(r"Unable to locate package (?P<name>\S+)"),
    re.compile(r"Package '?(?P<name>[^\s']+)'? has no installation candidate"),
)


def find_dockerfile(base: str, pip: Sequence[str], apt: Sequence[str], secrets: Sequence[str]) -> str:
    """Answer the recipe.

    Args:
        base: the image to begin with.
        pip: packages for pip, which the image's own user installs, as its start scripts expect.
        apt: packages for apt.
        secrets: which of SECRETS the host has.
    """
    lines = [f"FROM {base}"]
    mounts = " ".join(f"--mount=type=secret,id={name},mode=0444" for name in secrets)
    if apt:
        names = " ".join(map(shlex.quote, apt))
        command = "apt-get -o Acquire::https::CAInfo=/run/secrets/ca" if "ca" in secrets else "apt-get"
        lines += [
            "USER root",
            f"RUN {mounts} {command} update -qq && DEBIAN_FRONTEND=noninteractive {command} install -y -qq"
            f" --no-install-recommends {names} && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb",
        ]
    if pip:
        names = " ".join(map(shlex.quote, pip))
        settings = ["PIP_NO_CACHE_DIR=1", "PIP_DISABLE_PIP_VERSION_CHECK=1"]
        settings += ["PIP_CONFIG_FILE=/run/secrets/pip"] if "pip" in secrets else []
        settings += ["PIP_CERT=/run/secrets/ca"] if "ca" in secrets else []
        # root may write wherever the image keeps Python; what it wrote stays the user's to add to
        lines += [
            "USER root",
            f"RUN {mounts} {' '.join(settings)} pip install --quiet --root-user-action=ignore {names}",
        ]
    return "\n".join([*lines, "USER 1000", ""])


def find_message(said: str, base: str) -> str:
    """Answer why the build failed, and what mends it."""
    for pattern in _NO_PACKAGE:
        if found := pattern.search(said):
            return (
                f"The package {found['name']} was not found for {base}: its name or version is wrong, or its index "
                "was not reached.\n"
                "Fix: correct extra_packages in dstk.yml, or see that the host reaches the package index."
            )
    if "no space left on device" in said.lower():
        return f"The disk is full: {base} with more packages has no room on it.\nFix: raise volume_size."
    lines = [line for line in said.splitlines() if line.strip()][-8:]
    return (
        "{} could not be given more packages:\n{}\n"
        "Fix: see the message above; correct extra_packages in dstk.yml, or run the same command again."
    ).format(base, "\n".join(lines))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "base": {"type": "str", "required": True},
            "pip": {"type": "list", "elements": "str", "default": []},
            "apt": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    name, base, pip, apt, timeout = (module.params[key] for key in ("name", "base", "pip", "apt", "timeout"))
    try:
        there = name in find_images([name])
    except RuntimeError as error:
        module.fail_json(msg=f"Docker does not answer: {error}\nFix: run the same command again.")
    if there or module.check_mode:
        module.exit_json(changed=not there)
    secrets = [secret for secret, path in SECRETS.items() if path.is_file()]
    # Docker 20.10 needs to be asked for BuildKit, later ones bring it
    os.environ["DOCKER_BUILDKIT"] = "1"
    lent = [part for secret in secrets for part in ("--secret", f"id={secret},src={SECRETS[secret]}")]
    code, output, errors = run(
        *("docker", "build", "--progress", "plain", "--tag", name, "--label", f"dstk.base={base}", *lent, "-"),
        stdin=find_dockerfile(base, pip, apt, secrets),
        timeout=timeout,
    )
    said = output + errors
    if code:
        module.fail_json(msg=find_message(said, base))
    module.exit_json(changed=True, said="\n".join(said.splitlines()[-5:]))


if __name__ == "__main__":
    main()
