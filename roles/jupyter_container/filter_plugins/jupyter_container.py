"""Filters of the jupyter_container role: what Docker and a registry say, turned into a decision or a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

GB = 1000**3
# Layers come compressed. Unpacked, a docker-stacks image takes about three times what is downloaded.
UNPACKED = 3
# Room that the system itself should keep.
RESERVE = 1 * GB

_NOT_THERE = (
    "manifest unknown",
    "manifest for",
    ": not found",
    "repository does not exist",
    "pull access denied",
    "unauthorized",
    "no basic auth credentials",
    "name unknown",
    "invalid reference format",
    "no matching manifest",
)
_NO_SPACE = ("no space left on device",)


def parse_image_bytes(manifest: str) -> int:
    """Answer how many bytes an image takes unpacked, by what its registry says.

    Args:
        manifest: what ``docker manifest inspect --verbose`` printed; of several platforms, the biggest counts.

    Returns:
        Bytes; 0 where the text tells nothing.
    """
    try:
        document = json.loads(manifest)
    except ValueError:
        return 0
    downloads = (sum(int(layer.get("size", 0)) for layer in layers) for layers in _layers(document))
    return UNPACKED * max(downloads, default=0)


def _layers(node: Any) -> Iterator[list[Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "layers" and isinstance(value, list):
                yield value
            else:
                yield from _layers(value)
    elif isinstance(node, list):
        for value in node:
            yield from _layers(value)


def find_shortage(image: str, *, available: object, size: object, manifest: str, fallback: float) -> str:
    """Answer what is wrong with the room on the disk.

    Args:
        image: the image's name, for the message.
        available: bytes that are free.
        size: GB that the image takes, or ``auto``.
        manifest: see `parse_image_bytes`; read where ``size`` is ``auto``.
        fallback: GB assumed where the manifest tells nothing.

    Returns:
        A message with its remedy; empty where the image and the next one beside it have room.
    """
    if str(size) == "auto":
        unpacked = parse_image_bytes(manifest) or int(float(fallback) * GB)
    else:
        unpacked = int(float(str(size)) * GB)
    missing = 2 * unpacked + RESERVE - int(str(available))
    if missing <= 0:
        return ""
    return (
        f"{image} takes about {unpacked / GB:.1f} GB, and so will the next one beside it, "
        f"but only {int(str(available)) / GB:.1f} GB are free.\n"
        f"Fix: raise volume_size by {-(-missing // GB)} GB or more, or choose a smaller notebook_image."
    )


def find_pull_may_recover(result: Mapping[str, Any]) -> bool:
    """Answer whether pulling again may help: not where the image is missing or the disk is full."""
    said = _said(result)
    return not any(sign in said for sign in (*_NOT_THERE, *_NO_SPACE))


def find_pull_message(result: Mapping[str, Any], image: str, host: str) -> str:
    """Answer why a pull failed and what mends it.

    Args:
        result: the registered result of ``docker pull``.
        image: what was pulled.
        host: where.
    """
    said = _said(result)
    if any(sign in said for sign in _NO_SPACE):
        return (
            f"The disk of {host} is full: {image} has no room on it.\n"
            "Fix: raise volume_size, or choose a smaller notebook_image; then run the same command again."
        )
    if any(sign in said for sign in _NOT_THERE):
        return (
            f"The image {image} does not exist, or may not be pulled without a login: {_last_line(result)}\n"
            "Fix: set notebook_image to an image and a tag that its registry lists."
        )
    return (
        f"{image} could not be pulled on {host}: {_last_line(result)}\n"
        "Fix: check that the host reaches the registry, and run the same command again; it goes on where it stopped."
    )


def _said(result: Mapping[str, Any]) -> str:
    return " ".join(str(result.get(key, "")) for key in ("stdout", "stderr", "msg")).lower()


def _last_line(result: Mapping[str, Any]) -> str:
    lines = str(result.get("stdout") or result.get("stderr") or result.get("msg") or "").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Name the filters."""
        return {
            "jupyter_container_pull_may_recover": find_pull_may_recover,
            "jupyter_container_pull_message": find_pull_message,
            "jupyter_container_shortage": find_shortage,
        }
