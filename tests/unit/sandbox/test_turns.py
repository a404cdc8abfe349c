"""Who may remove what sandboxes share."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from dstk_runner.sandbox.turns import Share


@pytest.fixture(autouse=True)
def other_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away from the locks of real sandboxes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_only_user_is_the_last() -> None:
    with closing(Share()) as share, share.as_the_last() as is_last:
        assert is_last


def test_one_of_two_users_is_not_the_last() -> None:
    with closing(Share()) as share, closing(Share()), share.as_the_last() as is_last:
        assert not is_last


def test_a_user_who_was_not_the_last_still_counts() -> None:
    with closing(Share()) as share, closing(Share()) as other:
        with share.as_the_last():
            pass
        with other.as_the_last() as is_last:
            assert not is_last


def test_a_user_who_left_does_not_count() -> None:
    with closing(Share()) as share:
        Share().close()
        with share.as_the_last() as is_last:
            assert is_last
