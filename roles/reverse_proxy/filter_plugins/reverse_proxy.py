"""Filters of the reverse_proxy role."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def find_sites(notebooks: Iterable[Mapping[str, Any]], address: str) -> list[dict[str, Any]]:
    """Answer which names a host answers to, as `host` of a URL too, and which notebooks are below each.

    Args:
        notebooks: with student, port and name; without a name, it is reached at the address.
        address: the host's.
    """
    sites: dict[str, list[Mapping[str, Any]]] = {}
    for notebook in notebooks:
        sites.setdefault(notebook.get("name") or address, []).append(notebook)
    return [
        {"name": name, "host": f"[{name}]" if ":" in name else name, "notebooks": below}
        for name, below in sites.items()
    ]


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Name the filters."""
        return {"reverse_proxy_sites": find_sites}
