"""The name of the bucket that carries files where hosts are reached by Session Manager."""

from __future__ import annotations


def bucket_name(deployment: str, account: str, region: str) -> str:
    """Answer the name of a deployment's bucket, one of its own in all AWS: at most 63 characters."""
    return f"dstk-{deployment.removeprefix('dstk-')[:35]}-{account[-4:]}-{region}"
