"""Filters of the docker_host role: what would be more than one filter in Jinja."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

# The guide's t2.micro has 1 GiB, and two of swap let a notebook with pandas loaded live on it.
SMALL_MEMORY_MB = 2048
AUTO_SWAP_MB = 2048


def parse_swap_megabytes(wanted: object, memory_mb: int) -> int:
    """Answer how many MB of swap file a machine should have.

    Args:
        wanted: ``auto`` or a number of MB.
        memory_mb: the memory that it shows.

    Returns:
        MB; 0 for none.
    """
    if str(wanted) != "auto":
        return int(str(wanted))
    return AUTO_SWAP_MB if memory_mb < SMALL_MEMORY_MB - _RESERVED_MB else 0


# The kernel keeps a share of the memory for itself, so that a 2 GiB instance shows somewhat less than 2048 MB.
_RESERVED_MB = 248


def find_mistake(machine: Mapping[str, Any], host: str, swap_size: object) -> str:
    """Answer why a machine cannot be served, with the remedy; empty where it can.

    Args:
        machine: what dstk_docker_host_info answered.
        host: the machine's name.
        swap_size: what is asked for.
    """
    system, boot = machine["system"], machine["boot"]
    if not re.fullmatch("auto|[0-9]+", str(swap_size)):
        return (
            f'swap_size is "{swap_size}".\n'
            "Fix: set swap_size to auto, to 0 for none, or to a number of MB such as 2048."
        )
    if system["id"] not in ("Ubuntu", "Debian") or system["architecture"] not in ("x86_64", "aarch64"):
        return (
            f"{host} runs {system['id']} on {system['architecture']}.\n"
            "Fix: use an Ubuntu or Debian image for x86_64 or aarch64."
        )
    # 2 says that it finished with a warning
    if boot["code"] not in (0, 2):
        return (
            f"cloud-init did not finish on {host}: {boot['said']}\n"
            "Fix: read /var/log/cloud-init-output.log there; a new instance (destroy, then up) usually mends it."
        )
    return ""


def merge_settings(existing: str, wanted: Mapping[str, Any]) -> str:
    """Put settings into what daemon.json holds already, keeping what is not ours.

    Args:
        existing: the file's text; empty where there is none.
        wanted: the settings that have to be in it.

    Returns:
        The file's new text.
    """
    settings = json.loads(existing) if existing.strip() else {}
    return json.dumps(_merge(settings, wanted), indent=2, sort_keys=True) + "\n"


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Name the filters."""
        return {
            "docker_host_merge_settings": merge_settings,
            "docker_host_mistake": find_mistake,
            "docker_host_swap_megabytes": parse_swap_megabytes,
        }
