"""Logins: who a student is, in letters that tags, containers, paths and host names all take.

A login is `[a-z][a-z0-9-]*` of at most 32 characters. Standard library only.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST = 32
PREFIX = "student-"

_WORDS = (
    "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody sshd messagebus "
    "syslog systemd-network systemd-resolve systemd-timesync ubuntu debian ec2-user admin administrator jovyan jupyter "
    "docker sudo adm wheel operator guest user users student students teacher instructor test localhost all ungrouped "
    "dstk state zone placement default index overview class con prn aux nul"
)
RESERVED = frozenset(_WORDS.split())
"""Accounts of systems and images, and words that dstk, Ansible and file systems need for themselves."""

# Letters that Unicode does not take apart into a letter and a mark.
_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "\u0131": "i", "ŋ": "n",
        "ŧ": "t", "ß": "ss", "ĸ": "k", "ə": "e", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ƴ": "y",
    }
)  # fmt: skip
_APOSTROPHES = re.compile("['`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u2018\u2019\u201a\u201b\u2032\uff07]")
_HOST = re.compile(r"host\d*")  # shared hosts are called so


def spell(text: str) -> str:
    """Write a name with `a-z`, `0-9` and `-`; what has no such letters vanishes.

    >>> spell("Zoë O'Brien-Łoś")
    'zoe-obrien-los'
    """
    plain = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text).casefold()).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).translate(_LETTERS)
    return re.sub(r"[^a-z0-9]+", "-", _APOSTROPHES.sub("", plain)).strip("-")


def identify(text: str, number: int = 1) -> str:
    """Answer twelve hex digits for what names a person; `number` tells those apart whom nothing else does.

    Case and spaces do not count, for exports of one and the same class differ in them.
    """
    name = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    counted = name if number == 1 else f"{name}\n{number}"
    return hashlib.sha256(counted.encode()).hexdigest()[:12]


def derive_login(candidates: Iterable[str], identity: str) -> str:
    """Answer the login from the first candidate that has letters or digits of ours, else from the identity."""
    spelled = next((word for word in map(spell, candidates) if word), "")
    if not spelled:
        return PREFIX + identity[:6]
    if not spelled[0].isalpha() or spelled in RESERVED or _HOST.fullmatch(spelled):
        spelled = PREFIX + spelled
    return spelled[:LONGEST].rstrip("-")


def tell_apart(logins: Sequence[str]) -> list[str]:
    """Number those that are the same: the first keeps its login, the second gets `-2`.

    A number never takes the login of somebody who has it without one.
    """
    taken = set(logins)
    seen: set[str] = set()
    answer = []
    for login in logins:
        number = 1
        unique = login
        while unique in seen or (number > 1 and unique in taken):
            number += 1
            ending = f"-{number}"
            unique = login[: LONGEST - len(ending)].rstrip("-") + ending
        seen.add(unique)
        answer.append(unique)
    return answer
