"""The one way in which the sandbox fails."""

from __future__ import annotations

from dstk_runner.errors import DstkError


class SandboxError(DstkError):
    """The sandbox could not be made, reached or changed on this machine."""
