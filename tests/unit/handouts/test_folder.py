from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from dstk_runner import write_handouts
from dstk_runner.errors import ConfigError
from dstk_runner.results import Failure, Tls
from support.classes import notebook, seen, wanted

pytestmark = pytest.mark.usefixtures("home")

PAGES = Path("handouts/students")


def pages() -> set[str]:
    return {path.name for path in PAGES.iterdir()}


def test_each_student_has_a_page() -> None:
    write_handouts(seen(notebook("ada"), notebook("bob")), config=wanted("ada", "bob"))
    assert pages() == {"ada.html", "bob.html"}


def test_a_page_holds_the_secret_of_its_student_alone() -> None:
    write_handouts(seen(notebook("ada"), notebook("bob")), config=wanted("ada", "bob"))
    page = (PAGES / "ada.html").read_text()
    assert "secret-of-ada" in page
    assert "bob" not in page


def test_the_result_names_every_file() -> None:
    result = write_handouts(seen(notebook("ada")), config=wanted("ada"))
    there = {path for path in Path("handouts").rglob("*") if path.is_file() and path.name != ".gitignore"}
    assert set(result.files) == there


@pytest.fixture
def private(tmp_path: Path) -> Tls:
    (tmp_path / "ca.pem").write_text("authority")
    return Tls(mode="private", ca_file=tmp_path / "ca.pem", sha256="0f" * 32)


def test_what_browsers_have_to_trust_lies_beside_the_pages(private: Tls) -> None:
    write_handouts(replace(seen(notebook("ada")), tls=private), config=wanted("ada"))
    assert Path("handouts/csx450-authority.crt").read_text() == "authority"


def test_a_page_names_the_file_to_trust_and_its_sum(private: Tls) -> None:
    write_handouts(replace(seen(notebook("ada")), tls=private), config=wanted("ada"))
    page = (PAGES / "ada.html").read_text()
    assert "csx450-authority.crt" in page
    assert "0f" * 32 in page


def test_nothing_is_to_be_trusted_where_a_public_authority_has_signed() -> None:
    write_handouts(replace(seen(notebook("ada")), tls=Tls(mode="acme")), config=wanted("ada"))
    assert "SHA-256" not in (PAGES / "ada.html").read_text()


def test_the_document_is_that_of_the_design() -> None:
    document = write_handouts(seen(notebook("ada")), "out", config=wanted("ada")).to_json()
    assert json.loads(json.dumps(document)) == {
        "deployment": "csx450",
        "region": "us-west-2",
        "ok": True,
        "files": [
            "out/students/ada.html",
            "out/print-all-with-passwords.html",
            "out/mail-merge-with-passwords.csv",
            "out/class.html",
        ],
        "failures": [],
    }


def test_every_file_is_for_its_owner_alone_whatever_the_umask() -> None:
    before = os.umask(0)
    try:
        result = write_handouts(seen(notebook("ada")), config=wanted("ada"))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in result.files} == {0o600}


def test_the_folder_is_closed_to_others() -> None:
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert stat.S_IMODE(Path("handouts").stat().st_mode) == 0o700


def test_a_new_folder_stays_out_of_git() -> None:
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert Path("handouts/.gitignore").read_text() == "*\n"


def test_a_folder_that_is_there_keeps_what_git_ignores() -> None:
    Path("mine").mkdir()
    write_handouts(seen(notebook("ada")), "mine", config=wanted("ada"))
    assert not Path("mine/.gitignore").exists()


def test_the_overview_holds_no_password() -> None:
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert "secret-of-ada" not in Path("handouts/class.html").read_text()


def test_who_left_the_class_loses_the_page() -> None:
    write_handouts(seen(notebook("ada"), notebook("bob")), config=wanted("ada", "bob"))
    write_handouts(seen(notebook("ada"), notebook("bob")), config=wanted("ada"))
    assert pages() == {"ada.html"}


def test_what_somebody_else_put_beside_the_pages_stays() -> None:
    PAGES.mkdir(parents=True)
    (PAGES / "welcome.html").write_text("<p>Welcome</p>")
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert pages() == {"ada.html", "welcome.html"}


def test_a_page_of_another_deployment_is_replaced() -> None:
    PAGES.mkdir(parents=True)
    (PAGES / "ada.html").write_text("an old page")
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert "secret-of-ada" in (PAGES / "ada.html").read_text()


def test_a_link_in_the_place_of_a_page_is_replaced_and_not_followed() -> None:
    PAGES.mkdir(parents=True)
    Path("elsewhere").write_text("untouched")
    (PAGES / "ada.html").symlink_to(Path("elsewhere").absolute())
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert Path("elsewhere").read_text() == "untouched"


def test_nothing_is_left_of_a_file_that_could_not_be_put_in_its_place() -> None:
    (PAGES / "ada.html").mkdir(parents=True)
    with pytest.raises(ConfigError):
        write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert pages() == {"ada.html"}


def test_a_folder_that_cannot_be_made_is_a_wrong_request() -> None:
    Path("file").write_text("")
    with pytest.raises(ConfigError, match="file/handouts"):
        write_handouts(seen(notebook("ada")), "file/handouts", config=wanted("ada"))


@pytest.mark.parametrize("lacking", ["url", "password"])
def test_who_has_no_link_or_password_gets_no_page(lacking: str) -> None:
    write_handouts(seen(notebook("ada"), notebook("bob", **{lacking: ""})), config=wanted("ada", "bob"))
    assert pages() == {"ada.html"}


def test_who_gets_no_page_is_a_failure_with_its_remedy() -> None:
    result = write_handouts(seen(notebook("ada", url="", state="stopped")), config=wanted("ada"))
    [failure] = result.failures
    assert (failure.student, failure.stage) == ("ada", "handouts")
    assert "stopped" in failure.message
    assert "dstk up" in failure.fix


def test_what_is_known_to_have_failed_is_told_once() -> None:
    known = Failure(stage="configure", student="bob", message="no room", fix="make room")
    result = write_handouts(seen(notebook("ada"), failures=(known,)), config=wanted("ada", "bob"))
    assert result.failures == (known,)


def test_where_nothing_is_there_what_was_handed_out_before_stays() -> None:
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    [failure] = write_handouts(seen(), config=wanted("ada")).failures
    assert (failure.message, failure.fix) == ("nothing of csx450 is in us-west-2", "dstk up")
    assert pages() == {"ada.html"}


def test_a_limit_writes_these_pages_and_leaves_the_rest_alone() -> None:
    both = seen(notebook("ada"), notebook("bob"))
    write_handouts(both, config=wanted("ada", "bob"))
    before = Path("handouts/mail-merge-with-passwords.csv").read_text()
    result = write_handouts(seen(notebook("ada", password="new")), config=wanted("ada", "bob", limit=["ada"]))  # noqa: S106
    assert result.files == (PAGES / "ada.html",)
    assert pages() == {"ada.html", "bob.html"}
    assert Path("handouts/mail-merge-with-passwords.csv").read_text() == before


def test_the_configuration_of_another_deployment_is_refused() -> None:
    with pytest.raises(ConfigError, match="csx450"):
        write_handouts(seen(notebook("ada")), config=wanted("ada", deployment="other"))
