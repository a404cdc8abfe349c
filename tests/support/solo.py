"""The one notebook that several modules look at, each from its own side."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

OPTIONS = ("--sandbox", "--deployment", "solo")


@dataclass(frozen=True)
class Solo:
    """What `dstk up` said of it, and what a second one said meanwhile."""

    document: dict[str, Any]
    refusal: subprocess.CompletedProcess[str]
