"""Filter of the aws_backup role: what is told of backups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def tell_backups(result: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the snapshots, and those that were deleted, of what dstk_backups answered."""
    return {"snapshots": list(result.get("snapshots") or ()), "deleted": list(result.get("deleted") or ())}


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Name the filters."""
        return {"aws_backup_told": tell_backups}
