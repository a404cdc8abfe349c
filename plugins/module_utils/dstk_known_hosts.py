"""The file in which SSH finds a host's keys, under the instance's id; needs nothing but the standard library."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

TAG = "dstk:host-key"
"""The tag that holds a host's ed25519 key, in base64: where the next laptop finds it."""
KIND = "ssh-ed25519"

_BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
_KEY = re.compile(r"\b((?:ssh|ecdsa)-[a-z0-9-]+) (AAAA[A-Za-z0-9+/]+=*)")


def parse_console(text: str) -> list[tuple[str, str]]:
    """Answer kind and key, in base64, of the host keys that cloud-init printed; of several blocks, the last."""
    blocks = _BLOCK.findall(text)
    return _KEY.findall(blocks[-1]) if blocks else []


def find_known(text: str) -> set[str]:
    """Answer the names that a file of known hosts has keys for."""
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {name for row in rows if len(row) >= 3 for name in row[0].split(",")}


def read(path: Path) -> str:
    """Answer the file's text, empty where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def add_keys(path: Path, keys: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Add hosts to the file, the user's alone, and leave those that are there as they are."""
    text = read(path)
    known = find_known(text)
    lines = [f"{name} {kind} {key}\n" for name, found in keys.items() if name not in known for kind, key in found]
    if not lines:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp's files are the user's alone
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text if not text or text.endswith("\n") else f"{text}\n")
        opened.writelines(lines)
    Path(temporary).replace(path)
