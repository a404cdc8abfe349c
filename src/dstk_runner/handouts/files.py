"""Files that only their owner may read, replaced in one step."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from dstk_runner.errors import ConfigError, Mistake

__all__ = ["ensure_folder", "write_private"]


def ensure_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter; one that is there stays as it is.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _explain(folder, error) from error
    return folder


def write_private(path: Path, text: str) -> Path:
    """Write a file of mode 0600 in one step: a reader sees the old file or the new one, and nobody else sees either.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        # made with 0600 from the first moment, beside its place, so that the renaming is atomic
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".new")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _explain(path, error) from error
    return path


def _explain(path: Path, error: OSError) -> ConfigError:
    return ConfigError([Mistake(str(path), "", f"it cannot be written: {error.strerror}", "name a place of your own")])
