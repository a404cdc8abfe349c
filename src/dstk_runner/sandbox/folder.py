"""Where a sandbox keeps its things."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def find_folder() -> Path:
    """Return the sandbox's folder: $DSTK_SANDBOX_DIR, else one in the user's data home. It need not exist."""
    chosen = os.environ.get("DSTK_SANDBOX_DIR")
    if chosen:
        return Path(chosen).expanduser().resolve()
    data_home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data_home).expanduser().resolve() / "dstk" / "sandbox"


def ensure_folder(folder: Path) -> Path:
    """Make the folder, readable by its owner alone, and return it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def find_label(folder: Path) -> str:
    """Return the value that marks this folder's containers, so that two sandboxes never mistake each other's."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:12]
