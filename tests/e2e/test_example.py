"""The notebook of an instructor, cell by cell."""

from __future__ import annotations

import json
import sys

from support.environment import ROOT
from support.user import UNBAKED, Api, User


def test_the_notebook_makes_a_class_and_takes_it_away(user: User, api: Api) -> None:
    cells = json.loads((ROOT / "examples/class.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    folder = user.folder / "example"
    folder.mkdir()
    done = User(folder, user.environment | UNBAKED).shell(sys.executable, "-c", "\n\n".join(code), check=False)
    left = api.left("example")
    user.dstk("destroy", "--sandbox", "--yes", "--deployment", "example")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "configure\n" in done.stdout
    assert left == {}
