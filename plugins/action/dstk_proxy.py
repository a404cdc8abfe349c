"""Action: a host's reverse proxy serves, with a certificate that the controller signs where the host needs one.

Where all is well it calls no module: what the host said to dstk_proxy_info decides.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import ipaddress
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.plugins.action import ActionBase


def _load(name: str) -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "module_utils" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


authority = _load("dstk_authority")
proxy = _load("dstk_proxy")


def find_bare(name: str) -> bool:
    """Answer whether a name is an address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class ActionModule(ActionBase):
    """What Ansible looks for in an action plugin."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Decide, and have done what there is to do.

        `known` is dstk_proxy_info's answer, `folder` the controller's for the authority; with `look`, nothing is done
        but to trust the host's authority.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            return result | self._ensure_served(task_vars)
        except OSError as error:
            folder = self._task.args["folder"]
            return result | {
                "failed": True,
                "msg": f"{folder} cannot be used: {error}\nFix: set state_dir to a folder of your own.",
            }

    def _ensure_served(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments, known = self._task.args, self._task.args["known"]
        vault = authority.Vault(
            Path(arguments["folder"]).expanduser(), arguments["deployment"], arguments.get("domain", "")
        )
        mode = {key: str(known["mode"].get(key, "")) for key in ("mode", "reason")}
        if arguments.get("look"):
            if mode["mode"] == proxy.PRIVATE and not self._task.check_mode:
                vault.trust(known["authority"])
            return {"changed": False, **mode}
        acme = arguments["acme"]
        names = [site for site in arguments["names"] if site]
        plan, reason = proxy.find_plan(
            known,
            tls=arguments["tls"],
            names=names,
            server=acme["server"],
            bare=any(map(find_bare, names)),
            pause=float(acme["pause"]),
            now=time.time(),
        )
        wanted = list(dict.fromkeys([arguments["address"], *names]))
        need = authority.find_need(
            known["certificate"],
            known["authority"],
            names=wanted,
            domain=vault.domain,
            now=dt.datetime.now(dt.UTC),
        )
        served = known["caddyfile"] == arguments["caddyfiles"][plan] and known["caddy"]["running"]
        if served and known["caddy"]["enabled"] and not need and mode == {"mode": plan, "reason": reason}:
            changed = not self._task.check_mode and vault.trust(known["authority"])
            return {"changed": changed, **mode}
        if self._task.check_mode:
            shown = proxy.ACME if plan == proxy.ACME else proxy.PRIVATE
            return {"changed": True, "mode": shown, "reason": reason}
        given = {
            "plan": plan,
            "reason": reason,
            "caddyfiles": arguments["caddyfiles"],
            "acme_root": acme.get("root", ""),
            "names": names,
            "server": acme["server"],
            "asked": proxy.find_request(acme["server"], names, known["caddy"]["version"]),
            "timeout": acme["timeout"],
        }
        if need:
            asked = self._execute_module("dstk_proxy_key", module_args={}, task_vars=task_vars)
            if asked.get("failed") or asked.get("unreachable"):
                return asked
            given["certificate"], given["authority"] = vault.sign(asked["request"], wanted)
        done: dict[str, Any] = self._execute_module("dstk_proxy", module_args=given, task_vars=task_vars)
        if not done.get("failed") and not done.get("unreachable"):
            vault.trust(given.get("authority") or known["authority"])
        return done
