"""How a recipe is named."""

from __future__ import annotations

import py_compile
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from dstk_runner.sandbox.images import find_hash, read_recipe, recipe


def test_the_same_recipe_has_the_same_name() -> None:
    assert find_hash(["a", "b"]) == find_hash(["a", "b"])


def test_where_one_part_ends_is_part_of_the_name() -> None:
    assert find_hash(["ab", "c"]) != find_hash(["a", "bc"])


def test_a_recipe_is_its_files_by_path(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b").write_text("B", encoding="utf-8")
    (tmp_path / "a").write_text("A", encoding="utf-8")
    assert read_recipe(tmp_path) == ["a", "A", "more/b", "B"]


def test_a_lent_recipe_is_a_copy() -> None:
    with recipe("host") as context:
        (context / "Dockerfile").unlink()
    with recipe("host") as context:
        assert (context / "Dockerfile").is_file()


@pytest.mark.parametrize(("name", "program"), [("host", "metadata.py"), ("notebook", "healthcheck.py")])
def test_a_recipe_is_the_same_once_its_programs_are_compiled(name: str, program: str) -> None:
    with recipe(name) as context:
        before = read_recipe(context)
    with as_file(files("dstk_runner.sandbox") / "files" / name / program) as source:
        compiled = py_compile.compile(str(source), doraise=True)
    assert compiled
    assert Path(compiled).parent.parent == source.parent
    with recipe(name) as context:
        assert read_recipe(context) == before
