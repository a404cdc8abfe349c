"""Filters of the jupyter_container role: what is wanted of a host's notebooks, and what is told of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

Notebooks = list[dict[str, Any]]

_LOGIN = re.compile(r"[a-z0-9][a-z0-9-]*")
_UNKNOWN = {"last_activity": "", "memory_used": None, "memory_limit": None, "disk_used": None, "disk_free": None}


def find_mistakes(notebooks: Iterable[Mapping[str, Any]], deployment: str, homes: str) -> str:
    """Answer what is wrong with what is asked for, with the remedy; empty where nothing is.

    Args:
        notebooks: one a seat.
        deployment: the deployment's name.
        homes: the folder of the homes.
    """
    if not deployment:
        return "jupyter_container_deployment has to be given.\nFix: set deployment."
    # who can write the login user's ~/.ssh/authorized_keys owns the machine
    if not re.match(r"/(?!(home|root|etc|usr|var/lib/docker)(/|$))[^/]", homes):
        return (
            f"{homes} cannot hold notebooks' homes: their users could take the machine over.\n"
            "Fix: leave jupyter_container_homes as it is, or choose a folder such as /srv/dstk."
        )
    seen: dict[object, str] = {}
    for notebook in notebooks:
        student = str(notebook.get("student", ""))
        if not _LOGIN.fullmatch(student):
            return (
                f'"{student}" cannot name a container.\n'
                "Fix: set student to small letters, digits and dashes, such as student01."
            )
        if not notebook.get("image"):
            return f"The notebook of {student} has no image.\nFix: set notebook_image."
        for place in (student, int(notebook["port"])):
            if place in seen:
                return (
                    f"{student} and {seen[place]} have the same {'name' if place == student else 'port'} on one host.\n"
                    "Fix: give each notebook of jupyter_container_notebooks a student and a port of its own."
                )
            seen[place] = student
    return ""


def find_plan(
    notebooks: Iterable[Mapping[str, Any]], packages: Mapping[str, Any], course_repo: str, image: str = ""
) -> Notebooks:
    """Answer the notebooks with the image that each runs: the one asked for, or one made of it with more packages.

    Args:
        notebooks: what is asked for.
        packages: with ``pip`` and ``apt``, lists.
        course_repo: where a course comes from; nbgitpuller fetches it.
        image: what an upgrade wants for all of them; empty where each gets what is asked for.

    Returns:
        The notebooks with ``asked``, the image asked for, ``base``, the one wanted now, and ``image``, the one to run.
    """
    wanted = find_packages(packages, course_repo)
    return [
        {
            **notebook,
            "asked": notebook["image"],
            "base": image or notebook["image"],
            "image": find_image(image or str(notebook["image"]), wanted),
        }
        for notebook in notebooks
    ]


def find_packages(packages: Mapping[str, Any], course_repo: str) -> dict[str, list[str]]:
    """Answer what is added to an image."""
    pip = [str(name) for name in packages.get("pip") or []]
    if course_repo and not any(re.match(r"nbgitpuller\b", name) for name in pip):
        pip.append("nbgitpuller")
    return {"apt": [str(name) for name in packages.get("apt") or []], "pip": pip}


def find_image(base: str, packages: Mapping[str, list[str]]) -> str:
    """Answer the name of an image with more packages; the base itself where there are none."""
    if not any(packages.values()):
        return base
    return f"dstk/notebook:{hashlib.sha256(json.dumps([base, packages], sort_keys=True).encode()).hexdigest()[:16]}"


def find_course_folder(folder: str, repo: str) -> str:
    """Answer the folder of the course in the home: the one asked for, else the repository's name."""
    return folder.strip("/") or repo.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")


def find_urls(notebooks: Iterable[Mapping[str, Any]], address: str) -> dict[str, str]:
    """Answer where each student's Jupyter answers: below the name of the notebook, or the host's address.

    A notebook that has neither answers nowhere, and its URL is empty.
    """
    shown = f"[{address}]" if ":" in address else address
    names = {str(notebook["student"]): notebook.get("name") or shown for notebook in notebooks}
    return {student: f"https://{name}/{student}" if name else "" for student, name in names.items()}


def find_link(url: str, folder: str, opened: str) -> str:
    """Answer the link that a student opens; there is none where nothing answers."""
    if not url:
        return ""
    return f"{url}/lab/tree/{quote(f'{folder}/{opened}' if folder else opened)}" if opened else f"{url}/lab"


def find_state(notebook: Mapping[str, Any], docker: bool, answered: bool) -> str:
    """Answer how a notebook is.

    Args:
        notebook: what dstk_notebook_info said of it.
        docker: whether Docker answers on the host.
        answered: whether JupyterLab answers at its public address.

    Returns:
        One of ``ready``, ``starting``, ``failed``, ``stopped``, ``missing``.
    """
    status = notebook["status"]
    if status == "running":
        if answered:
            return "ready"
        return "starting" if notebook["health"] == "starting" else "failed"
    if status == "missing":
        return "missing" if docker else "failed"
    # 143 is how a container ends that was asked to
    return "stopped" if status in ("exited", "created", "paused") and notebook["exit_code"] in (0, 143) else "failed"


def find_silence_message(host: str, url: str, seconds: int, notebook: Mapping[str, Any], trouble: str = "") -> str:
    """Answer why JupyterLab did not answer where the user is, and what mends it."""
    if notebook["answers"]:
        said = f": {trouble}" if trouble else ""
        return (
            f"JupyterLab runs on {host}, but {url} does not answer from here{said}.\n"
            "Fix: see that allowed_cidrs holds this machine's public address, and that your network lets port 443 out."
        )
    log = "\n".join(notebook["log"])
    return (
        f"JupyterLab did not answer on {host} within {seconds} s. Its log ends:\n{log}\n"
        "Fix: read the log above; where memory ran out, choose a larger instance_type, and where the image is at "
        "fault, another notebook_image."
    )


def find_states(
    students: Iterable[str],
    otherwise: str,
    failures: Iterable[str],
    info: Mapping[str, Any] | None = None,
    answered: Iterable[str] = (),
) -> dict[str, str]:
    """Answer how each student's notebook is.

    Args:
        students: whose.
        otherwise: the state of those that nothing is known of.
        failures: who has one.
        info: what dstk_notebook_info answered; without its notebooks, the host did not answer.
        answered: whose JupyterLab answers at its public address.
    """
    known = (info or {}).get("notebooks", {})
    return {
        student: find_state(known[student], bool((info or {})["docker"]), student in answered)
        if student in known
        else "failed"
        if student in failures
        else otherwise
        for student in students
    }


def find_silences(
    notebooks: Mapping[str, Mapping[str, Any]],
    host: str,
    urls: Mapping[str, str],
    seconds: int,
    troubles: Mapping[str, str],
) -> dict[str, str]:
    """Answer by student why JupyterLab did not answer, and what mends it."""
    return {
        student: find_silence_message(host, urls[student], seconds, notebook, troubles.get(student, ""))
        for student, notebook in notebooks.items()
    }


def find_logs(notebooks: Mapping[str, Mapping[str, Any]], pull: list[str]) -> dict[str, list[str]]:
    """Answer the logs of a host by name: the image pull's, and each container's by its student."""
    names = {student: student if len(notebooks) > 1 else "container" for student in notebooks}
    return {**{names[student]: list(notebook["log"]) for student, notebook in notebooks.items()}, "pull": list(pull)}


def find_all_of(message: str, notebooks: Iterable[Mapping[str, Any]], base: str) -> dict[str, str]:
    """Answer a message for each student whose notebook runs an image, or one made of it."""
    return {str(notebook["student"]): message for notebook in notebooks if notebook["base"] == base}


def find_failures(messages: Mapping[str, Mapping[str, str]], host: str, stage: str) -> dict[str, dict[str, str]]:
    """Answer the failures of students as dstk tells them.

    Args:
        messages: by task, messages by student; of one student, the first counts.
        host: the host's name in the inventory.
        stage: what was going on.
    """
    failures: dict[str, dict[str, str]] = {}
    for task, by_student in messages.items():
        for student, text in by_student.items():
            message, _, fix = str(text).strip().rpartition("\nFix: ")
            known = {"host": host, "student": student, "stage": stage.lower(), "task": task}
            failures.setdefault(student, {**known, "message": message or fix, "fix": fix if message else ""})
    return failures


def find_published(
    notebooks: Iterable[Mapping[str, Any]], known: Mapping[str, Any], states: Mapping[str, str], info: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Answer what is told of notebooks, by student; no secret is in it.

    Args:
        notebooks: as `find_plan` answers them, or as they were asked for.
        known: what is the same for all on a host: instance_id, address, passwords, folder and opened of the course.
        states: by student.
        info: what dstk_notebook_info answered, of a run its pins alone; empty where the host was not asked.
    """
    urls = find_urls(notebooks, known["address"])
    told = {}
    for notebook in notebooks:
        student = str(notebook["student"])
        usage = info.get("notebooks", {}).get(student, {})
        told[student] = {
            "student": student,
            "seat": int(notebook["seat"]),
            "url": find_link(urls[student], known["folder"], known["opened"]),
            "password_file": f"{known['passwords']}/{student}",
            "instance_id": known["instance_id"],
            "address": known["address"],
            "state": states[student],
            "container": f"dstk-{student}",
            "image": find_shown(notebook, info.get("pins", {})),
            **{key: usage.get(key, nothing) for key, nothing in _UNKNOWN.items()},
            # of the home, where that is a file system of its own, else of the host
            "disk_free": info.get("disk_free") if usage.get("disk_free") is None else usage["disk_free"],
        }
    return told


def find_shown(notebook: Mapping[str, Any], pins: Mapping[str, Mapping[str, str]]) -> str:
    """Answer the name of the image that a notebook runs: what an upgrade left counts while the same is asked for."""
    pin = pins.get(notebook["student"], {})
    if pin.get("instead_of") == notebook.get("asked", notebook["image"]):
        return pin["base"]
    return str(notebook.get("base", notebook["image"]))


def find_keepers(pins: Mapping[str, Mapping[str, str]], notebooks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Answer a line for each notebook that keeps an image, though the configuration asks for another."""
    lines = []
    for notebook in notebooks:
        pin = pins.get(notebook["student"], {})
        if pin.get("instead_of") == notebook.get("asked", notebook["image"]):
            reason = f", for {pin['refused']} did not get healthy: upgrade again" if pin.get("refused") else ""
            lines.append(f"{notebook['student']} keeps {pin['base']}{reason or ': write it as notebook_image'}")
    return lines


def find_rolled_back(
    failures: Mapping[str, Mapping[str, str]],
    back: Mapping[str, str],
    notebooks: Iterable[Mapping[str, Any]],
    troubles: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    """Answer the failures of an upgrade: what became of those whose old container is back.

    Args:
        failures: by student.
        back: the old images, by student.
        notebooks: with the new ones.
        troubles: why the old container of some is not back, with what mends it.
    """
    failures = {**failures, **{student: _complain(failures[student], said) for student, said in troubles.items()}}
    wanted = {notebook["student"]: notebook["base"] for notebook in notebooks}
    return {
        student: {
            **failure,
            "message": f"{wanted[student]} did not get healthy, and the notebook is back on {back[student]}: "
            f"{failure['message']}",
            "fix": "take another image (`dstk upgrade --image`), or try this one again; until then `dstk up` leaves it",
        }
        if student in back
        else dict(failure)
        for student, failure in failures.items()
    }


def _complain(failure: Mapping[str, str], said: str) -> dict[str, str]:
    message, _, fix = said.rpartition("\nFix: ")
    return {**failure, "message": f"{message} {failure['message']}", "fix": fix}


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Name the filters."""
        return {
            "jupyter_container_all_of": find_all_of,
            "jupyter_container_course_folder": find_course_folder,
            "jupyter_container_failures": find_failures,
            "jupyter_container_keepers": find_keepers,
            "jupyter_container_logs": find_logs,
            "jupyter_container_mistakes": find_mistakes,
            "jupyter_container_packages": find_packages,
            "jupyter_container_plan": find_plan,
            "jupyter_container_published": find_published,
            "jupyter_container_rolled_back": find_rolled_back,
            "jupyter_container_silences": find_silences,
            "jupyter_container_states": find_states,
            "jupyter_container_urls": find_urls,
        }
