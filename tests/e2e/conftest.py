"""One sandbox for all end-to-end tests, and a user who has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.environment import clean_environment
from support.user import Api, User


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user with an empty home, whose sandbox lives as long as the tests."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "course"
    folder.mkdir()
    ada = User(folder, clean_environment(home, DSTK_SANDBOX_DIR=str(home / "sandbox")))
    ada.dstk("sandbox", "up")
    yield ada
    ada.dstk("sandbox", "down")


@pytest.fixture(scope="session")
def api(user: User) -> Api:
    """The API of the user's sandbox."""
    return Api(user.document("sandbox", "env"))
