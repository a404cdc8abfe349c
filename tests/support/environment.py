"""Where the checkout is, and the environment of a user who has nothing yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

#: Settings of the person who runs the tests that must not reach the user whom a test plays.
FOREIGN = ("AWS_", "DSTK_", "ANSIBLE_", "XDG_", "MOLECULE_", "PYTEST_")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """No AWS settings, no keys, an empty home; the virtual environment on PATH, as after activating it.

    The machine's own CA and proxy settings stay.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    kept |= {"HOME": str(home), "USER": "ada", "PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": str(BIN.parent)}
    return kept | more
