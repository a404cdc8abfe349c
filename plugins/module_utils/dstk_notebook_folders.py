"""What a student has on a host beside the container: the home, the password, and what Jupyter reads."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import string
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.dstk_notebook_homes import ensure_mounted
from ansible.module_utils.dstk_notebooks import GID, SETTINGS, UID, find_id_offset, run

COOKIE_KEY = "cookie_secret"
SCRATCH = "/run/scratch"
"""The one place in the hashing container that can be written to."""


def find_student_folder(student: str) -> Path:
    """Answer the folder of a student's password and configuration."""
    return Path(SETTINGS, student)


def ensure_folder(path: Path, owner: int, group: int, mode: int) -> bool:
    """Make a folder and answer whether that changed anything; never through a link."""
    changed = False
    if not path.is_dir() or path.is_symlink():
        path.mkdir(mode=mode)
        changed = True
    now = path.lstat()
    if (now.st_uid, now.st_gid) != (owner, group):
        os.chown(path, owner, group, follow_symlinks=False)
        changed = True
    if now.st_mode & 0o7777 != mode:
        path.chmod(mode)
        changed = True
    return changed


def ensure_file(path: Path, text: str, owner: int, group: int, mode: int) -> bool:
    """Put a text in its place whole, and answer whether that changed anything."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        now = path.lstat()
        if (now.st_uid, now.st_gid, now.st_mode & 0o7777) == (owner, group, mode):
            return False
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.chown(temporary, owner, group)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
    return True


def read(path: Path) -> str:
    """Answer a file's text, empty where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def find_owner() -> tuple[int, int]:
    """Answer the user and group on the host of what belongs to a notebook's user."""
    offset = find_id_offset(read(Path("/etc/docker/daemon.json")), read(Path("/etc/subuid")))
    return UID + offset, GID + offset


def ensure_student_folders(student: str, homes: Path, texts: Mapping[str, str], home_gb: float = 0) -> bool:
    """Make a student's folders, home, password and key of cookies, and answer whether that changed anything.

    Args:
        student: whose they are.
        homes: the folder of the students' folders.
        texts: what Jupyter reads, by path from the folder of its configuration.
        home_gb: the size of the home's own file system, 0 for a plain folder.
    """
    settings, owner = find_student_folder(student), find_owner()
    changed = ensure_folder(settings, 0, 0, 0o700)
    changed |= ensure_folder(settings / "jupyter", *owner, 0o500)
    changed |= ensure_folder(homes / student, 0, 0, 0o755)
    changed |= ensure_mounted(homes / student, home_gb)
    # from the first moment: a folder that Docker makes for a mount belongs to root, and Jupyter cannot write to it
    changed |= ensure_folder(homes / student / "home", *owner, 0o700)
    for name, text in texts.items():
        path = settings / "jupyter" / name
        # from the outermost folder inwards
        for parent in reversed(path.relative_to(settings / "jupyter").parents[:-1]):
            changed |= ensure_folder(settings / "jupyter" / parent, *owner, 0o500)
        changed |= ensure_file(path, text, *owner, 0o400)
    # Jupyter would keep it in the home, where it outlives the password
    key = read(settings / "jupyter" / COOKIE_KEY) or secrets.token_urlsafe(48)
    changed |= ensure_file(settings / "jupyter" / COOKIE_KEY, key, *owner, 0o400)
    password = read(settings / "password")
    if not password:
        # made once: one that is there is kept, so that an admin may write one
        letters = string.ascii_letters + string.digits
        password = "".join(secrets.choice(letters) for _ in range(24))
    changed |= ensure_file(settings / "password", password, 0, 0, 0o600)
    return changed


def forget_secrets(student: str) -> None:
    """Take a student's password and key of cookies away, so that both are made anew."""
    settings = find_student_folder(student)
    for path in (settings / "password", settings / "password.hashed", settings / "jupyter" / COOKIE_KEY):
        path.unlink(missing_ok=True)


def find_digest(text: str) -> str:
    """Answer the digest by which a password is known to be the one that was hashed."""
    return hashlib.sha256(text.encode()).hexdigest()


def ensure_hashes(students: list[str], image: str, hasher: str) -> dict[str, str]:
    """Let Jupyter know the passwords' hashes, and answer what failed by student.

    A hash is salted and cannot be compared, so the digest of the password that it was made from stands beside it. The
    image's own Jupyter makes the hashes of all its students in one go, of passwords that come by standard input.
    """
    plain = {student: read(find_student_folder(student) / "password") for student in students}
    stale = {
        student: password
        for student, password in plain.items()
        if read(find_student_folder(student) / "password.hashed") != find_digest(password)
        or not (find_student_folder(student) / "jupyter" / "jupyter_server_config.json").is_file()
    }
    if not stale:
        return {}
    code, output, errors = run(
        *("docker", "run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--user", f"{UID}:{GID}"),
        *("--env", f"HOME={SCRATCH}", "--tmpfs", SCRATCH),
        *("--no-healthcheck", "--pull", "never", "--entrypoint", "python", image, "-c", hasher),
        stdin=json.dumps({student: password.strip() for student, password in stale.items()}),
    )
    hashes = json.loads(output) if code == 0 else {}
    failures = {}
    for student, password in stale.items():
        settings = find_student_folder(student)
        if not hashes.get(student):
            failures[student] = (
                f"The password of {student} could not be hashed by {image}: {errors.strip() or 'it is too short'}\n"
                f"Fix: a password needs 8 characters or more in {settings}/password, and the image jupyter_server 2."
            )
            continue
        text = json.dumps({"PasswordIdentityProvider": {"hashed_password": hashes[student]}})
        ensure_file(settings / "jupyter" / "jupyter_server_config.json", text, *find_owner(), 0o400)
        ensure_file(settings / "password.hashed", find_digest(password), 0, 0, 0o600)
    return failures
