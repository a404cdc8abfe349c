"""The columns of a roster, under the names that learning systems give them. Standard library only."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

FIELDS = ("name", "first", "last", "login", "email", "group", "instance_type", "image")
"""What a column may hold. `first` and `last` make a name."""

# Canvas, Moodle, Blackboard, Brightspace, Google Classroom, ILIAS, Stud.IP, Schoology, Gradescope, in the languages
# that their exports speak. Accents, case and signs do not count; what several columns hold comes from the first.
_NAMES = {
    "name": "name, full name, student, student name, display name, names, nombre completo, nombre y apellidos, nom "
    "complet, nom et prenom, vollstandiger name, teilnehmer, teilnehmerin, nome completo, nome e cognome, "
    "nombre, nom, nome, navn, naam, namn, nimi, imie i nazwisko, jmeno a prijmeni, isim, ad soyad, фио, имя и "
    "фамилия, 姓名, 氏名, 名前, 이름, ονομα, ονοματεπωνυμο, identifier",
    "first": "first name, firstname, first, given name, given names, forename, vorname, prenom, voornaam, fornavn, "
    "fornamn, etunimi, imie, jmeno, ad, adi, имя, 名, ονομα",
    "last": "last name, lastname, last, surname, family name, nachname, familienname, nom de famille, apellido, "
    "apellidos, cognome, sobrenome, apelido, apelidos, achternaam, efternavn, etternavn, efternamn, sukunimi, "
    "nazwisko, prijmeni, soyad, soyadi, фамилия, 姓, επωνυμο",
    "login": "login, login name, login id, username, user name, user id, userid, sis login id, user, account, netid, "
    "net id, uid, unikey, kennung, benutzername, benutzerkennung, anmeldename, nutzername, nutzernamen, nom d "
    "utilisateur, identifiant, nombre de usuario, usuario, nome utente, nome de utilizador, nome de usuario, "
    "gebruikersnaam, brukernavn, brugernavn, anvandarnamn, kayttajatunnus, nazwa uzytkownika, uzivatelske "
    "jmeno, логин, имя пользователя, 用户名, ユーザ名, ユーザー名",
    "email": "email, e mail, mail, email address, e mail address, mail address, student email, school email, primary "
    "email, e mail adresse, email adresse, mailadresse, adresse e mail, adresse email, adresse de courriel, "
    "courriel, correo, correo electronico, direccion de correo, direccion email, direccion de correo "
    "electronico, indirizzo email, indirizzo e mail, endereco de email, endereco de e mail, e mailadres, "
    "emailadres, epostadresse, e postadresse, e post, epost, e postadress, sahkoposti, sahkopostiosoite, "
    "adres e mail, adres email, e mailova adresa, eposta, e posta, почта, адрес электронной почты, "
    "электронная почта, 电子邮件, 电子邮件地址, 邮箱, メールアドレス, 이메일, ηλεκτρονικη διευθυνση",
    "group": "group, groups, group name, section, sections, team, teams, class, course section, lab, gruppe, gruppen, "
    "kurs, klasse, groupe, groupes, grupo, grupos, equipo, seccion, gruppo, gruppi, turma, groep, groepen, "
    "grupp, grupper, ryhma, ryhmat, grupa, grupy, skupina, skupiny, grup, gruplar, группа, группы, 小组, 组, 班级, "
    "グループ, 그룹",
    "instance_type": "instance type, instancetype, instance",
    "image": "image, notebook image",
}
_SYSTEMS = (
    ("canvas", {"student", "id", "section"}),
    ("canvas", {"student", "sis login id"}),
    ("brightspace", {"orgdefinedid"}),
)
"""Columns that tell a learning system whose exports are peculiar."""

# What gradebooks have among their students, by what stands where a student's name would.
_NOBODY = frozenset({"points possible", "manual posting", "points", "date", "class average"})
_TEST_STUDENT = frozenset({"student test", "test student"})

EMAIL = r"[^@\s,;<>\"]+@[^@\s,;<>\"]+"
_TITLES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md", "msc", "ma", "ba", "bsc", "dr", "esq", "mba"})
_FAR_EAST = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def plain(text: str) -> str:
    """Write the name of a column without accents, case, signs and what stands in brackets."""
    bare = unicodedata.normalize("NFKD", re.sub(r"\([^)]*\)|\[[^\]]*\]|<[^>]*>", "", text).casefold())
    letters = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", " ", letters).strip()


KNOWN: dict[str, list[str]] = {field: [plain(name) for name in names.split(",")] for field, names in _NAMES.items()}


def find_columns(header: Sequence[str]) -> dict[str, list[int]]:
    """Answer which columns hold each field, the best one first; empty where this row is no header."""
    names = [plain(cell) for cell in header]
    columns: dict[str, list[int]] = {}
    for field, known in KNOWN.items():
        found = [index for index, name in enumerate(names) if name in known]
        if found:
            columns[field] = sorted(found, key=lambda index: known.index(names[index]))
    # Spanish, French and Italian say "name" for a first or a last name where the other one stands beside it
    for half, other in (("first", "last"), ("last", "first")):
        if other in columns and half not in columns and "name" in columns:
            columns[half] = columns.pop("name")
    if "first" in columns and "last" not in columns:
        columns.setdefault("name", columns.pop("first"))
    people = {"name", "first", "last", "login", "email"} & set(columns)
    return columns if people and not any("@" in cell for cell in header) else {}


def guess_columns(rows: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Answer the columns of a roster without a header: who, and what else stands in the order of the documentation."""
    width = max((len(row) for row in rows), default=0)
    texts = [[row[index] for row in rows if index < len(row)] for index in range(width)]
    # an empty column can only be that of emails, which nobody has
    emails = [index for index in range(width) if any("@" in text for text in texts[index])] or [
        index for index in range(width) if not any(texts[index])
    ]
    columns = {"email": emails[:1]} if emails else {}
    others = [index for index in range(width) if index not in columns.get("email", ())]
    fields = ("name", "group", "instance_type", "image")
    return {**columns, **{field: [index] for field, index in zip(fields, others, strict=False)}}


def find_mistyped(header: Sequence[str], columns: dict[str, list[int]]) -> list[tuple[str, str]]:
    """Answer the columns that nothing knows and that were probably meant as one of dstk's own, with what was meant."""
    used = {index for found in columns.values() for index in found}
    own = {
        "instance type": "instance_type",
        "image": "image",
        "notebook image": "image",
        "email": "email",
        "login": "login",
    }
    answer = []
    for index, cell in enumerate(header):
        near = [] if index in used else difflib.get_close_matches(plain(cell), list(own), n=1, cutoff=0.85)
        if near:
            answer.append((cell, own[near[0]]))
    return answer


def find_system(header: Sequence[str]) -> str:
    """Answer which learning system these columns are of, where its exports are peculiar."""
    names = {plain(cell) for cell in header}
    return next((system for system, columns in _SYSTEMS if columns <= names), "")


def read_cells(cells: Sequence[str], columns: Mapping[str, list[int]]) -> dict[str, str]:
    """Answer what each field holds: the first of its cells in which something is written."""
    return {
        field: next((cells[index] for index in found if index < len(cells) and cells[index]), "")
        for field, found in columns.items()
    }


def is_nobody(cells: Sequence[str], values: Mapping[str, str], system: str) -> bool:
    """Answer whether this row of a gradebook is about points and dates, or a learning system's test student."""
    name = plain(next((cell for cell in cells if cell), ""))
    if system == "canvas" and name in _TEST_STUDENT:
        return True
    return name in _NOBODY and not values.get("email")


def complete(values: Mapping[str, str]) -> dict[str, str]:
    """Make one name of its parts, and see an email where it stands for a login or a name."""
    found = {field: text.removeprefix("#") for field, text in values.items()}
    first, last = found.pop("first", ""), found.pop("last", "")
    if first or last:
        found["name"] = last + first if _FAR_EAST.fullmatch(first + last) else f"{first} {last}".strip()
    elif found.get("name", "").count(",") == 1:
        found["name"] = _turn(found["name"])
    for field in ("login", "name"):
        if re.fullmatch(EMAIL, found.get(field, "")) and not found.get("email"):
            found["email"] = found.pop(field)
    for field in {"login", "email"} & set(found):
        # invisible marks, which copying from a page of the web brings along
        found[field] = "".join(letter for letter in found[field] if unicodedata.category(letter) != "Cf")
    return found


def _turn(name: str) -> str:
    """Answer `Ada Lovelace` for `Lovelace, Ada`, and leave a title where it stands."""
    last, first = (part.strip() for part in name.split(","))
    return name if first.casefold().replace(".", "") in _TITLES else f"{first} {last}".strip()
