"""Filters of the AWS roles: what is more than one expression, and is tested, stands here."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import ipaddress
import os
import sys
from pathlib import Path

from ansible.errors import AnsibleFilterError

_FOLDER = Path(__file__).resolve().parents[1] / "module_utils"


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their own module up by name
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


_buckets = _load("dstk_bucket")
_errors = _load("dstk_aws_errors")
_layers = _load("dstk_layers")
_schedule = _load("dstk_schedule")
_seats = _load("dstk_seats")


def dstk_aws_error(result: dict) -> str:
    """Say what a failed task's result means, with the last line `Fix: ...` where a remedy is known."""
    return str(_errors.explain(result))


def dstk_ssh_key_path(choice: str) -> str:
    """Answer the path of the private key that `ssh_key` means."""
    return _layers.find_ssh_key(choice, os.environ)


def dstk_bucket(deployment: str, account: str, region: str) -> str:
    """Answer the bucket that carries a deployment's files where hosts are reached by Session Manager."""
    return str(_buckets.bucket_name(deployment, account, region))


def dstk_names(value: object) -> list[str]:
    """Answer a list of logins, which stands in one word, joined by commas, where a command line gave it."""
    return list(_layers.read_names(value))


def dstk_cidrs(choices: list[str], caller: str = "") -> list[str]:
    """Answer the networks that may reach the notebooks, with the caller's own address in the place of `auto`."""
    networks = []
    for choice in choices:
        text = caller.strip() if choice == "auto" else choice
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise AnsibleFilterError(_bad_network(choice, text, error)) from error
        if str(network) not in networks:
            networks.append(str(network))
    return networks


def dstk_wide_networks(networks: list[str]) -> list[str]:
    """Answer those networks that let so many in that a request has to say that it means them."""
    return list(_layers.find_wide(networks))


def _bad_network(choice: str, text: str, error: ValueError) -> str:
    if choice == "auto":
        return f"the address service answered no address: {text[:80]!r}\nFix: name your network in `allowed_cidrs`"
    return f"{error}\nFix: write `allowed_cidrs` as networks, such as 203.0.113.7/32, or `auto`"


def dstk_seats(tags: dict[str, str]) -> list[dict]:
    """Answer student, seat and identity of each seat that a host's tags name, by number."""
    return [dataclasses.asdict(seat) for seat in _seats.find_seats(tags)]


def dstk_over(known: list[str], schedule: dict, lease: str | int, members: int) -> str:
    """Answer when the deployment ended whose hosts bear these tags `dstk:until`; nothing where it goes on."""
    now = datetime.datetime.now(datetime.UTC)
    end = _schedule.settle_end(known, schedule, lease, members=members, now=now)
    return str(_schedule.format_moment(end)) if end <= now else ""


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict:
        """Answer the filters."""
        return {
            "dstk_aws_error": dstk_aws_error,
            "dstk_bucket": dstk_bucket,
            "dstk_cidrs": dstk_cidrs,
            "dstk_names": dstk_names,
            "dstk_over": dstk_over,
            "dstk_seats": dstk_seats,
            "dstk_ssh_key_path": dstk_ssh_key_path,
            "dstk_wide_networks": dstk_wide_networks,
        }
