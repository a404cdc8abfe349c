from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.plugins import Load, load_plugin

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (1234)
,,,,,Manual Posting
    Points Possible,,,,,10.0
"Lovelace, Ada",17,9001,alovelace,CSX 450,9
"Hopper, Grace",18,9002,ghopper@example.org,CSX 450,
"Student, Test",99,,5d41402abc4b2a76b9719d911017c592,CSX 450,
"""
CANVAS_WITHOUT_SIS = """Student,ID,Section,Lab 1 (1234)
    Points Possible,,,"10,0"
"Lovelace, Ada",17,CSX 450,9
"Student, Test",99,CSX 450,
"""
MOODLE = """Vorname,Nachname,E-Mail-Adresse,Gruppen
Ada,Lovelace,ada@example.org,"Gruppe A, Gruppe B"
Zoë,Weiß,zoe@example.org,
"""
BLACKBOARD = '"Last Name"\t"First Name"\t"Username"\t"Student ID"\n"Lovelace"\t"Ada"\t"alovelace"\t"9001"\n'
BRIGHTSPACE = (
    "OrgDefinedId,Username,Last Name,First Name,Email,End-of-Line Indicator\n#9001,#alovelace,Lovelace,Ada,,#\n"
)
CLASSROOM = """Last Name,First Name,Email Address,Essay
Date,,,2026-10-01
Points,,,100
Lovelace,Ada,ada@example.org,97
Class average,,,97
"""


@pytest.fixture(scope="module")
def roster(load: Load) -> ModuleType:
    return load("module_utils/dstk_roster")


def read(roster: ModuleType, folder: Path, content: str | bytes) -> list[dict[str, str]]:
    path = folder / "roster.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found: list[dict[str, str]] = roster.find_class({"roster": str(path), "students": [], "student": "me"})
    return found


def mistakes_of(roster: ModuleType, folder: Path, content: str | bytes) -> list[str]:
    with pytest.raises(roster.RosterError) as caught:
        read(roster, folder, content)
    return [str(mistake).removeprefix(f"{folder}/") for mistake in caught.value.mistakes]


def show(members: list[dict[str, str]], *fields: str) -> list[tuple[str, ...]]:
    return [tuple(member[field] for field in fields) for member in members]


def test_a_lone_user_is_a_class_of_one(roster: ModuleType) -> None:
    [member] = roster.find_class({"roster": "", "students": [], "student": "ada"})
    assert (member["student"], member["name"], len(member["identity"])) == ("ada", "", 12)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            CANVAS,
            [
                ("alovelace", "Ada Lovelace", "", "CSX 450"),
                ("ghopper", "Grace Hopper", "ghopper@example.org", "CSX 450"),
            ],
        ),
        (CANVAS_WITHOUT_SIS, [("ada-lovelace", "Ada Lovelace", "", "CSX 450")]),
        (
            MOODLE,
            [
                ("ada", "Ada Lovelace", "ada@example.org", "Gruppe A, Gruppe B"),
                ("zoe", "Zoë Weiß", "zoe@example.org", ""),
            ],
        ),
        (BLACKBOARD, [("alovelace", "Ada Lovelace", "", "")]),
        (BRIGHTSPACE, [("alovelace", "Ada Lovelace", "", "")]),
        (CLASSROOM, [("ada", "Ada Lovelace", "ada@example.org", "")]),
    ],
    ids=["Canvas", "Canvas without SIS", "Moodle", "Blackboard", "Brightspace", "Google Classroom"],
)
def test_the_export_of_a_learning_system_is_read(
    roster: ModuleType, tmp_path: Path, content: str, expected: list[tuple[str, ...]]
) -> None:
    assert show(read(roster, tmp_path, content), "student", "name", "email", "group") == expected


@pytest.mark.parametrize(
    "header",
    [
        "name,email",
        "Full Name,E-Mail",
        "STUDENT,Email Address",
        "Nombre completo,Dirección de correo",
        "Nom complet,Adresse de courriel",
        "姓名,电子邮件地址",
        "氏名,メールアドレス",
        "ФИО,Адрес электронной почты",
        "Name *,Email [Required]",
    ],
)
def test_a_header_is_known_in_many_languages(roster: ModuleType, tmp_path: Path, header: str) -> None:
    members = read(roster, tmp_path, f"{header}\nAda Lovelace,ada@example.org\n")
    assert show(members, "name", "email") == [("Ada Lovelace", "ada@example.org")]


@pytest.mark.parametrize("header", ["Prénom,Nom", "Nombre,Apellido(s)", "Nome,Cognome", "Given name,Surname"])
def test_a_name_in_two_columns_is_one_name(roster: ModuleType, tmp_path: Path, header: str) -> None:
    assert show(read(roster, tmp_path, f"{header}\nAda,Lovelace\n"), "name") == [("Ada Lovelace",)]


def test_a_name_of_the_far_east_is_put_together_in_its_own_order(roster: ModuleType, tmp_path: Path) -> None:
    assert show(read(roster, tmp_path, "名,姓\n小明,王\n"), "name") == [("王小明",)]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Lovelace, Ada", "Ada Lovelace"),
        ("Martin Luther King, Jr.", "Martin Luther King, Jr."),
        ("Ada Lovelace, Ph.D.", "Ada Lovelace, Ph.D."),
    ],
)
def test_a_name_with_a_comma_is_turned_unless_a_title_follows(
    roster: ModuleType, tmp_path: Path, written: str, name: str
) -> None:
    assert show(read(roster, tmp_path, f'name,group\n"{written}",A\n'), "name") == [(name,)]


@pytest.mark.parametrize(
    "content",
    [
        "Ada Lovelace\nGrace Hopper\n",
        "Ada Lovelace,ada@example.org\nGrace Hopper,grace@example.org\n",
        "ada@example.org;Ada Lovelace\ngrace@example.org;Grace Hopper\n",
        "Ada Lovelace\t\tA\nGrace Hopper\t\tB\n",
        "sep=;\nname;group\nAda Lovelace;A\nGrace Hopper;B\n",
        "\n\nname,group\n\nAda Lovelace,A\n,,\nGrace Hopper,B\n\n",
        "# the class of 2026\nname,group\nAda Lovelace,A\n# Charles has left\nGrace Hopper,B\n",
        '"Ada\nLovelace",A\n"Grace\r\n Hopper",B\n',
        "name,group\rAda Lovelace,A\rGrace Hopper,B\r",
        '"name", "group"\n"Ada Lovelace", "A"\n"Grace Hopper", "B"\n',
    ],
)
def test_a_class_of_two_is_read_from_every_kind_of_file(roster: ModuleType, tmp_path: Path, content: str) -> None:
    assert show(read(roster, tmp_path, content), "name") == [("Ada Lovelace",), ("Grace Hopper",)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_that_says_what_it_is_is_read(roster: ModuleType, tmp_path: Path, encoding: str) -> None:
    assert show(read(roster, tmp_path, "name\nZoë\n".encode(encoding)), "name") == [("Zoë",)]


def test_a_number_that_was_kept_from_a_spreadsheet_is_read(roster: ModuleType, tmp_path: Path) -> None:
    assert show(read(roster, tmp_path, 'login,group\n="007",A\n'), "student") == [("student-007",)]


def test_overrides_are_taken(roster: ModuleType, tmp_path: Path) -> None:
    members = read(roster, tmp_path, "name,instance type,image\nAda,m7i.large,quay.io/jupyter/r-notebook:2026-08-24\n")
    assert show(members, "instance_type", "image") == [("m7i.large", "quay.io/jupyter/r-notebook:2026-08-24")]


def test_the_login_comes_from_its_column_then_the_email_then_the_name(roster: ModuleType, tmp_path: Path) -> None:
    content = "name,login,email\nAda Lovelace,al7,ada@example.org\nGrace Hopper,,grace@example.org\nAlan Turing,,\n"
    assert show(read(roster, tmp_path, content), "student") == [("al7",), ("grace",), ("alan-turing",)]


def test_who_somebody_is_depends_on_the_email_where_there_is_one(roster: ModuleType, tmp_path: Path) -> None:
    before = read(roster, tmp_path, "name,email\nAda,ada@example.org\n")
    after = read(roster, tmp_path, "name,email\nGrace,grace@example.org\nAda King,Ada@Example.org\n")
    assert after[1]["identity"] == before[0]["identity"]


def test_namesakes_without_anything_else_are_two_persons(roster: ModuleType, tmp_path: Path) -> None:
    members = read(roster, tmp_path, "name\nAda\nAda\n")
    assert show(members, "student") == [("ada",), ("ada-2",)]
    assert members[0]["identity"] != members[1]["identity"]


def test_a_list_of_students_is_as_good_as_a_roster(roster: ModuleType) -> None:
    students = ["student01", "Grace Hopper", "alan@example.org", {"name": "Ada", "group": "A", "image": "img:1"}]
    members = roster.find_class({"roster": "", "students": students, "student": "me"})
    assert show(members, "student", "email", "group") == [
        ("student01", "", ""),
        ("grace-hopper", "", ""),
        ("alan", "alan@example.org", ""),
        ("ada", "", "A"),
    ]


@pytest.mark.parametrize(
    ("students", "said"),
    [
        (
            [{"name": "Ada", "instnace_type": "m7i.large"}],
            "students, item 1: instnace_type: there is no such key (did you mean instance_type?)",
        ),
        ([{"group": "A"}], "students, item 1: nobody is named (write a name, a login or an email)"),
        ([None], "students, item 1: nobody is named (write a name, a login or an email)"),
        ("ada", "students: students: expected a list (write it in brackets: [student01, student02])"),
    ],
)
def test_a_wrong_item_of_the_list_is_named(roster: ModuleType, students: Any, said: str) -> None:
    with pytest.raises(roster.RosterError) as caught:
        roster.find_class({"roster": "", "students": students, "student": "me"})
    assert [str(mistake) for mistake in caught.value.mistakes] == [said]


def test_roster_and_students_together_are_a_mistake(roster: ModuleType) -> None:
    with pytest.raises(roster.RosterError, match="leave one of them out"):
        roster.find_class({"roster": "roster.csv", "students": ["ada"], "student": "me"})


def test_every_mistake_is_named_with_its_line(roster: ModuleType, tmp_path: Path) -> None:
    content = """name,login,email,instance_type,image
"Ada
Lovelace",,ada(at)example.org,,
Grace,gh,grace@example.org,huge,
Alan,GH,Grace@example.org,,
,,,m7i.large,
Edsger,,,,Jupyter Lab
Barbara,,,,,more
"""
    assert mistakes_of(roster, tmp_path, content) == [
        "roster.csv:2: email: 'ada(at)example.org' is not an email address (one address, such as ada@example.org)",
        "roster.csv:4: instance_type: 'huge' is not an instance type (family and size, such as t3.large)",
        f"roster.csv:5: email: Grace@example.org stands already in {tmp_path}/roster.csv:4 (keep one of them)",
        f"roster.csv:5: login: GH stands already in {tmp_path}/roster.csv:4 (keep one of them)",
        "roster.csv:6: nobody is named (write a name, a login or an email)",
        "roster.csv:7: image: 'Jupyter Lab' is not the name of an image "
        "(lower case, such as quay.io/jupyter/datascience-notebook:2026-08-24)",
        "roster.csv:8: the row has 6 cells where there are 5 columns "
        "(put a cell that holds the separator in double quotes)",
    ]


@pytest.mark.parametrize(
    ("content", "where", "said"),
    [
        ("", "roster.csv", "names nobody"),
        ("name,email\n", "roster.csv", "names nobody"),
        ("name\nZoë\n".encode("latin-1"), "roster.csv:2", "Latin-1"),
        ("name\nZoë\n".encode("utf-16-le"), "roster.csv", "zero bytes"),
        (b"PK\x03\x04rest", "roster.csv", "workbook"),
        ("name\nZoÃ«\n", "roster.csv:2", "letters were lost"),
        ("name\nZo\ufffd\n", "roster.csv:2", "letters were lost"),
        ('name,email\n"Ada,ada@example.org\n', "roster.csv:2", "quotes"),
        ("sep=;\nname;email\nAda;ada\n", "roster.csv:3", "not an email address"),
        ('name,email\n"Ada" L,ada@example.org\n', "roster.csv:2", "quotes"),
        ("Naam van student?,Adres?\nAda,ada@example.org\nGrace,grace@example.org\n", "roster.csv:1", "header"),
        ("name,instance_tpye\nAda,m7i.large\n", "roster.csv:1", "instance_type"),
        ("name\n{{ lookup('pipe', 'id') }}\n", "roster.csv:2", "template"),
        (f"name\n{'x' * 201}\n", "roster.csv:2", "very long"),
        ("name\nAda\x07\n", "roster.csv:2", "control character"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    roster: ModuleType, tmp_path: Path, content: str | bytes, where: str, said: str
) -> None:
    [text] = mistakes_of(roster, tmp_path, content)
    assert text.startswith(f"{where}: ")
    assert said in text


def test_a_file_that_is_missing_is_named(roster: ModuleType) -> None:
    with pytest.raises(roster.RosterError, match=r"/nowhere/roster\.csv: No such file"):
        roster.find_class({"roster": "/nowhere/roster.csv", "students": [], "student": "me"})


def test_a_limit_that_nobody_meets_names_the_nearest(roster: ModuleType) -> None:
    members = [{"student": "student01"}, {"student": "grace"}]
    assert roster.find_strangers(["grace", "studnet01", "xyz"], members) == [
        ("there is no student studnet01", "did you mean student01?"),
        ("there is no student xyz", "`dstk plan` shows the logins"),
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_a_formula_is_made_text(roster: ModuleType, text: str) -> None:
    assert roster.neutralise(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Ada", "O'Brien", "ada@example.org", "a=b"])
def test_what_is_no_formula_stays(roster: ModuleType, text: str) -> None:
    assert roster.neutralise(text) == text


WORDS = st.text(
    st.characters(categories=["L", "M", "N", "Zs"], exclude_characters="\u00c2\u00c3"), min_size=1, max_size=30
).filter(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    names=st.lists(WORDS, min_size=1, max_size=8),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_in_any_way_is_read_again(
    tmp_path: Path, names: list[str], separator: str, encoding: str, end: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["name", "email"])
    writer.writerows([name, f"s{number}@example.org"] for number, name in enumerate(names))
    roster = load_plugin("module_utils/dstk_roster")
    members = read(roster, tmp_path, text.getvalue().encode(encoding))
    assert [member["name"] for member in members] == [" ".join(name.split()) for name in names]


@settings(deadline=None)
@given(names=st.lists(WORDS, min_size=1, max_size=12))
def test_every_class_has_valid_logins_and_identities_of_its_own(names: list[str]) -> None:
    values = {"roster": "", "students": names, "student": "me"}
    members = load_plugin("module_utils/dstk_roster").find_class(values)
    assert len({member["student"] for member in members}) == len(names)
    assert len({member["identity"] for member in members}) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{0,31}", member["student"]) for member in members)
    assert members == load_plugin("module_utils/dstk_roster").find_class(values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.one_of(st.binary(), st.text(alphabet='",;\t\n\r #@=ax\x00\ufeff').map(str.encode)))
def test_whatever_a_file_holds_is_a_class_or_a_list_of_mistakes(tmp_path: Path, content: bytes) -> None:
    roster = load_plugin("module_utils/dstk_roster")
    members: list[dict[str, str]] = []
    with contextlib.suppress(roster.RosterError):
        members = read(roster, tmp_path, content)
    assert len({member["student"] for member in members}) == len(members)


def test_an_email_that_is_added_later_changes_nobody_who_has_a_login(roster: ModuleType) -> None:
    before = roster.find_class({"students": [{"login": "ada", "name": "Ada"}], "roster": "", "student": "x"})
    row = {"login": "ada", "name": "Ada", "email": "countess@example.org"}
    after = roster.find_class({"students": [row], "roster": "", "student": "x"})
    assert (after[0]["student"], after[0]["identity"]) == (before[0]["student"], before[0]["identity"])
