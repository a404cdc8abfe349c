"""What mends a failure whose own words do not say it. The table of remedies is that of the plugins."""

from __future__ import annotations

from dstk_runner.errors import CredentialsError, DstkError, RunError
from dstk_runner.project import load_errors

__all__ = ["explain", "find_remedy", "parse_message"]


def find_remedy(text: str) -> str:
    """Return what mends a failure, by AWS's error code or a well-known text; empty where nothing is known."""
    return str(load_errors().explain({"msg": text}).fix)


def parse_message(text: str) -> tuple[str, str]:
    """Take apart a message whose last line is `Fix: ...`, and look for a remedy where there is none."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "it failed without a word", ""
    at = next((number for number, line in enumerate(lines) if line.startswith("Fix: ")), None)
    if at is not None:
        return " ".join(lines[:at]), " ".join(lines[at:]).removeprefix("Fix: ")
    return _shorten(" ".join(lines)), find_remedy(text)


def explain(error: Exception) -> DstkError:
    """Turn an exception of boto3 into one of dstk's, with its remedy."""
    if isinstance(error, DstkError):
        return error
    errors = load_errors()
    explanation = errors.explain({"msg": str(error) or type(error).__name__})
    kind = CredentialsError if explanation.fix in errors.WHO else RunError
    return kind(_shorten(explanation.message), explanation.fix)


def _shorten(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
