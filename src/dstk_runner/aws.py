"""A connection to AWS, with the credentials of the profile chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["ask_all", "find_code", "has_credentials", "make_client"]

T = TypeVar("T")


def make_client(service: str, region: str) -> Any:
    """Return a boto3 client that answers or fails within seconds, and waits where AWS asks to slow down."""
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})
    make: Any = boto3.session.Session().client
    return make(service, region_name=region, config=patience)


def has_credentials() -> bool:
    """Answer whether the profile chain has credentials, good or not."""
    import boto3

    return boto3.session.Session().get_credentials() is not None


def find_code(error: Exception) -> str:
    """Return AWS's code of an error, or the name of the exception."""
    # a connection that broke off has a response, which is None
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(error).__name__)


def ask_all(questions: Iterable[Callable[[], T]]) -> list[T]:
    """Ask all at once; the answers come in the order of the questions."""
    with ThreadPoolExecutor(max_workers=12) as pool:
        return [future.result() for future in [pool.submit(question) for question in questions]]
