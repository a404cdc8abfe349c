#!/usr/bin/python
"""Module: a host's own key for TLS, and a request to sign it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_proxy import TLS, run

DOCUMENTATION = """
module: dstk_proxy_key
short_description: A host's own key for TLS, and a request to sign it
version_added: "0.1.0"
author: dstk
description:
  - Makes the key where there is none. It never leaves the host, and only root and Caddy read it.
options: {}
"""

EXAMPLES = """
- name: The key is there
  dstk_proxy_key: {}
"""

RETURN = """
request:
  description: The request, in PEM.
  type: str
  returned: always
"""


def ensure_key(folder: Path, group: str) -> bool:
    """Make folder and key where they are not there; answer whether anything changed."""
    folder.parent.mkdir(exist_ok=True)
    # whatever the umask: others have folders there, too
    folder.parent.chmod(0o755)
    folder.mkdir(mode=0o750, exist_ok=True)
    shutil.chown(folder, "root", group)
    key = folder / "key.pem"
    if key.is_file():
        return False
    fresh = folder / "key.pem.new"
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    code, said = run("openssl", "genpkey", *curve, "-out", str(fresh))
    if code:
        raise OSError(said)
    shutil.chown(fresh, "root", group)
    fresh.chmod(0o640)
    fresh.replace(key)
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=False)
    os.umask(0o027)
    folder = Path(TLS)
    try:
        changed = ensure_key(folder, "caddy")
    except (OSError, LookupError) as error:
        module.fail_json(
            msg=f"The host could not make a key for TLS: {error}\n"
            "Fix: see that the host has openssl and caddy and its disk has room, and run the same command again."
        )
    code, said = run("openssl", "req", "-new", "-key", str(folder / "key.pem"), "-subj", "/CN=dstk")
    if code:
        module.fail_json(msg=f"The host could not ask for a certificate: {said}\nFix: remove {folder}/key.pem there.")
    module.exit_json(changed=changed, request=said)


if __name__ == "__main__":
    main()
