"""A notebook gets a new image while the old container stands by, and what becomes of it is remembered on the host."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.dstk_notebook_folders import ensure_file, find_student_folder, read
from ansible.module_utils.dstk_notebooks import find_containers, find_images, find_name, run

PIN = "image.json"


def find_aside(student: str) -> str:
    """Answer the name of the container that stands by; the dot keeps it apart from every student's."""
    return f"{find_name(student)}.before"


def find_pins(students: Iterable[str]) -> dict[str, dict[str, str]]:
    """Answer by student what an upgrade left: ``image`` is run ``instead_of`` the image that is asked for.

    ``base`` is the image's name for people, and ``refused`` the one that never got healthy, where that is why.
    """
    texts = {student: read(find_student_folder(student) / PIN) for student in students}
    return {student: json.loads(text) for student, text in texts.items() if text}


def find_kept(notebook: Mapping[str, Any], pins: Mapping[str, Mapping[str, str]]) -> str:
    """Answer the image that a notebook keeps whatever it is asked for; it counts until somebody asks for another."""
    pin = pins.get(notebook["student"], {})
    return pin["image"] if pin.get("instead_of") == notebook.get("asked", notebook["image"]) else ""


def apply_pins(notebooks: Iterable[dict[str, Any]], pins: Mapping[str, Mapping[str, str]]) -> None:
    """Give the notebooks the images that they keep, as far as these are still on the host."""
    kept = {notebook["student"]: find_kept(notebook, pins) for notebook in notebooks}
    there = find_images(filter(None, kept.values()))
    for notebook in notebooks:
        if kept[notebook["student"]] in there:
            notebook["image"] = kept[notebook["student"]]


def set_aside(student: str) -> None:
    """Stop a container and keep it beside the one that comes."""
    run("docker", "stop", "--time", "10", find_name(student))
    run("docker", "rename", find_name(student), find_aside(student))


def bring_back(student: str) -> str:
    """Put the container that stands by in its old place, and answer what Docker said where it failed."""
    run("docker", "rm", "--force", find_name(student))
    for words in (("rename", find_aside(student), find_name(student)), ("start", find_name(student))):
        code, _, errors = run("docker", *words)
        if code:
            return errors.strip()
    return ""


def bring_back_unsettled(students: Iterable[str]) -> list[str]:
    """Bring back what an upgrade left aside that was interrupted, and answer whose notebooks those are."""
    names = list(students)
    there = find_containers(map(find_aside, names))
    left = [student for student in names if find_aside(student) in there]
    for student in left:
        bring_back(student)
    return left


def settle(notebooks: Iterable[Mapping[str, Any]], failed: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """End an upgrade: the old containers of those who failed come back, those of the others go.

    Args:
        notebooks: with student, ``base`` (the new image's name), ``image`` (the one made of it), and ``asked``, the
            image that the configuration asks for.
        failed: whose new container did not get healthy.

    Returns:
        The images that are back, and what Docker said where one is not, both by student.
    """
    rows = {notebook["student"]: notebook for notebook in notebooks}
    there = find_containers(map(find_aside, rows))
    ailing, back, troubles = set(failed), {}, {}
    for student, notebook in rows.items():
        before = there.get(find_aside(student))
        asked, base = notebook["asked"], notebook["base"]
        if student not in ailing:
            if before:
                run("docker", "rm", "--force", find_aside(student))
            # nobody asked for it in the configuration, which therefore has to be told that it is not to be undone
            pin = {} if base == asked else {"instead_of": asked, "image": notebook["image"], "base": base}
            _remember(student, pin)
        elif before:
            if said := bring_back(student):
                troubles[student] = said
                continue
            back[student] = str(before["Config"]["Image"])
            if base == asked:
                pin = {"instead_of": asked, "image": back[student], "base": back[student], "refused": base}
                _remember(student, pin)
    return back, troubles


def _remember(student: str, pin: Mapping[str, str]) -> None:
    file = Path(find_student_folder(student), PIN)
    if pin:
        ensure_file(file, json.dumps(pin), 0, 0, 0o600)
    else:
        file.unlink(missing_ok=True)
