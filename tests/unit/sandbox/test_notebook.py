"""Which of pip's settings on this machine a build of the notebook image gets."""

from __future__ import annotations

import pytest

from dstk_runner.sandbox.notebook import SIBLINGS, find_machine_pip_settings, find_pip_settings, find_public_images


def test_the_machine_s_index_is_the_build_s() -> None:
    settings = find_pip_settings({}, "global.index-url='https://packages.example/simple'\n", certificates=None)
    assert settings == "[global]\nindex-url = https://packages.example/simple\n"


def test_the_environment_is_stronger_than_the_files() -> None:
    environ = {"PIP_INDEX_URL": "https://b.example/simple"}
    settings = find_pip_settings(environ, "global.index-url='https://a.example/simple'\n", certificates=None)
    assert settings == "[global]\nindex-url = https://b.example/simple\n"


def test_a_folder_of_the_machine_is_left_out() -> None:
    config = "global.extra-index-url='file:///srv/simple https://a.example/simple'\n"
    assert find_pip_settings({}, config, certificates=None) == "[global]\nextra-index-url = https://a.example/simple\n"


def test_what_does_not_say_where_packages_are_is_left_out() -> None:
    assert (
        find_pip_settings({"PIP_REQUIRE_VIRTUALENV": "1"}, "install.user='true'\n", certificates=None) == "[global]\n"
    )


def test_the_build_s_copy_of_the_machine_s_certificates_is_named() -> None:
    assert find_pip_settings({}, "", certificates="/build/ca.pem") == "[global]\ncert = /build/ca.pem\n"


def test_siblings_of_the_default_image_have_its_tag() -> None:
    default, *siblings = find_public_images()
    path, _, tag = default.rpartition(":")
    assert siblings == [f"{path.rpartition('/')[0]}/{name}:{tag}" for name in SIBLINGS]


@pytest.mark.parametrize(
    ("index", "settings"), [("https://a.example/simple", "[global]\nindex-url = https://a.example/simple\n"), ("", "")]
)
def test_a_machine_of_the_sandbox_is_told_where_packages_are_where_it_needs_to_be(
    monkeypatch: pytest.MonkeyPatch, index: str, settings: str
) -> None:
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    monkeypatch.setattr("dstk_runner.sandbox.notebook.read_pip_config", lambda: "")
    find_machine_pip_settings.cache_clear()
    assert find_machine_pip_settings() == settings
    find_machine_pip_settings.cache_clear()
