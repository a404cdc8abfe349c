from __future__ import annotations

from pathlib import Path

import pytest

from dstk_runner.config import load_config
from dstk_runner.template import render_template

pytestmark = pytest.mark.usefixtures("home")


def test_the_new_file_changes_nothing(home: Path) -> None:
    (home / "dstk.yml").write_text(render_template())
    assert load_config().chosen == frozenset()


def test_every_line_of_the_new_file_may_be_uncommented(home: Path) -> None:
    keys = [line.removeprefix("# ") for line in render_template().splitlines()[3:]]
    (home / "dstk.yml").write_text("\n".join(keys))
    assert load_config().members == load_config({}).members
