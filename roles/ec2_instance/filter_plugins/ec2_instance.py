"""Filters of the role ec2_instance: what the class's hosts are, told by student and by host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TASK = "Every student has a seat"
STOPPED = "Every instance that was named is stopped"
RESIZED = "Every instance that was named has the type"


def ec2_instance_addresses(hosts: list[dict[str, Any]], limit: Iterable[str] = ()) -> dict[str, str]:
    """Answer the addresses, by id, of the hosts that this run is about."""
    chosen = set(limit)
    return {
        host["id"]: host["address"]
        for host in hosts
        if not chosen or any(seat["student"] in chosen for seat in host["seats"])
    }


def ec2_instance_failures(
    answer: Mapping[str, Any], unreachable: Mapping[str, Mapping[str, str]], limit: Iterable[str] = ()
) -> dict[str, dict[str, str]]:
    """Answer the failures by student: those of dstk_hosts, and of the hosts that do not answer."""
    chosen = set(limit)
    found = [{"host": "", **failure} for failure in answer["failures"]]
    found += [
        {"host": host["id"], "student": seat["student"], **unreachable[host["id"]]}
        for host in answer["hosts"]
        if host["id"] in unreachable
        for seat in host["seats"]
        if not chosen or seat["student"] in chosen
    ]
    return {failure["student"]: {**failure, "stage": "provision", "task": TASK} for failure in found}


def ec2_instance_not_stopped(failures: Iterable[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Answer by student whose instance goes on, as the caller is told."""
    return {row["student"]: {**row, "host": "", "stage": "stop", "task": STOPPED} for row in failures}


def ec2_instance_not_resized(failures: Iterable[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Answer by student whose instance is of the type that it was of, as the caller is told."""
    return {row["student"]: {**row, "host": "", "stage": "resize", "task": RESIZED} for row in failures}


def ec2_instance_hosts(hosts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Answer what the caller is told of the hosts, by id."""
    return {
        host["id"]: {
            **{key: host[key] for key in ("address", "type", "zone", "state", "placement")},
            "students": [seat["student"] for seat in host["seats"]],
        }
        for host in hosts
    }


def ec2_instance_gone(gone: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Answer where those who have gone still have a seat, by student."""
    return {seat["student"]: {"instance_id": seat["instance_id"]} for seat in gone}


def ec2_instance_verdict(failures: Mapping[str, Mapping[str, str]]) -> str:
    """Say who has no seat and why, with the remedies; who failed for one reason is told of in one line."""
    reasons: dict[str, list[str]] = {}
    for student, failure in failures.items():
        reasons.setdefault(failure["message"], []).append(student)
    lines = [f"{', '.join(students)}: {message}" for message, students in reasons.items()]
    fixes = dict.fromkeys(failure["fix"] for failure in failures.values() if failure["fix"])
    return "\n".join([*lines, f"Fix: {'; or '.join(fixes)}"] if fixes else lines)


def ec2_instance_staying(ended: Mapping[str, Any]) -> list[str]:
    """Say which volumes and last snapshots stay after the instances, and cost."""
    lines = [
        f"The homes of {row['homes']} stay on {row['id']} ({row['size']} GB in {row['zone']}), and cost; the next "
        "deployment of this name has them."
        for row in ended["kept_volumes"]
    ]
    return lines + [
        f"The homes of {row['homes']} are in the snapshot {row['id']} (of {row['size']} GB), and cost; after "
        f"{row['expires']} AWS deletes it."
        for row in ended["snapshots"]
    ]


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Any]:
        """Answer the filters."""
        return {
            "ec2_instance_addresses": ec2_instance_addresses,
            "ec2_instance_failures": ec2_instance_failures,
            "ec2_instance_gone": ec2_instance_gone,
            "ec2_instance_hosts": ec2_instance_hosts,
            "ec2_instance_not_resized": ec2_instance_not_resized,
            "ec2_instance_not_stopped": ec2_instance_not_stopped,
            "ec2_instance_staying": ec2_instance_staying,
            "ec2_instance_verdict": ec2_instance_verdict,
        }
