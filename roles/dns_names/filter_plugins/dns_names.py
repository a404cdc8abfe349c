"""Filters of the role dns_names: which name leads where, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TASK = "Every notebook has a name"


def dns_names_addresses(hosts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Answer the address of each student who has a seat on a host with an address."""
    return {seat["student"]: host["address"] for host in hosts if host["address"] for seat in host["seats"]}


def dns_names_failures(failures: Iterable[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Answer the failures by student, as the caller is told them."""
    return {row["student"]: {**row, "host": "", "stage": "provision", "task": TASK} for row in failures}


def dns_names_by_hand(names: Mapping[str, str], domain: str) -> list[str]:
    """Say which records are to be made by hand, as lines of a zone's file."""
    lines = [f"{name}. 60 IN A {address}" for name, address in sorted(names.items())]
    return [f"The account has no public zone for {domain}. Where the zone is kept, make:", *lines]


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Any]:
        """Answer the filters."""
        return {
            "dns_names_addresses": dns_names_addresses,
            "dns_names_by_hand": dns_names_by_hand,
            "dns_names_failures": dns_names_failures,
        }
