"""How image names are taken apart."""

from __future__ import annotations

import pytest

from dstk_runner.sandbox.registry import split_image

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("quay.io/jupyter/base-notebook:2026-01-05", ("jupyter/base-notebook", "2026-01-05")),
        ("quay.io/jupyter/base-notebook", ("jupyter/base-notebook", "latest")),
        (f"quay.io/jupyter/base-notebook@{DIGEST}", ("jupyter/base-notebook", DIGEST)),
        (f"quay.io/jupyter/base-notebook:2026-01-05@{DIGEST}", ("jupyter/base-notebook", DIGEST)),
    ],
)
def test_an_image_name_has_a_repository_and_a_tag_or_digest(image: str, parts: tuple[str, str]) -> None:
    assert split_image(image) == parts
