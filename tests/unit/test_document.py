from __future__ import annotations

from pathlib import Path

import pytest

from dstk_runner.document import parse_document, read_document


def test_an_empty_file_holds_nothing() -> None:
    assert parse_document("# all commented out\n", name="dstk.yml").values == {}


def test_each_key_knows_its_line() -> None:
    document = parse_document("a: 1\n\nb:\n  - 2\n", name="dstk.yml")
    assert (document.find_place("a"), document.find_place("b")) == ("dstk.yml:1", "dstk.yml:3")


def test_what_is_no_yaml_is_named_with_its_line() -> None:
    [mistake] = parse_document("region: us-west-2\nvolume_size: [1\n", name="dstk.yml").mistakes
    assert mistake.where == "dstk.yml:3"


def test_a_list_is_not_a_configuration() -> None:
    [mistake] = parse_document("- region\n", name="dstk.yml").mistakes
    assert "key: value" in mistake.message


def test_a_tag_that_would_run_code_is_refused() -> None:
    [mistake] = parse_document("region: !!python/object/apply:os.getcwd []\n", name="dstk.yml").mistakes
    assert "cannot be read" in mistake.message


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"region: \x00"])
def test_a_file_that_is_no_text_is_one_mistake(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dstk.yml"
    path.write_bytes(content)
    assert len(read_document(path).mistakes) == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "folder" in read_document(tmp_path).mistakes[0].message
