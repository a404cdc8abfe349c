"""Action: the module of this name on the host, and what it gathered carried to the controller and put down there.

One round trip to the host and one for the file, however many students it has.
"""

from __future__ import annotations

import importlib.util
import posixpath
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.plugins.action import ActionBase


def _load(name: str) -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "module_utils" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


inside = _load("dstk_notebook_inside")
shelf = _load("dstk_notebook_shelf")


def keep_files(archive: Path, path: str, student: Path, partial: Path) -> dict[str, Any]:
    """Put a student's files into their place, and answer what became of them."""
    files, names, count = shelf.unpack(archive, path, partial)
    new, place = partial / path, student / path
    told = {"files": files, "left_out": names, "left_out_count": count}
    if not new.exists():
        return {**describe("missing", place), **told}
    if inside.find_digest(new) == inside.find_digest(place):
        return {**describe("unchanged", place), **told}
    return {**describe("fetched", place), **told, "earlier": shelf.put_down(new, place)}


def describe(state: str, place: Path) -> dict[str, Any]:
    """Answer what is told of a student's files that nothing was fetched of."""
    path = "" if state == "missing" else str(place)
    return {"state": state, "path": path, "files": 0, "left_out": [], "left_out_count": 0, "earlier": ""}


def keep_archive(archive: Path, into: Path, digest: str, entries: int | None = None) -> dict[str, Any]:
    """Put a student's archive into its place, checked to its end, with its sum; answer what became of it.

    `entries` are those that the host counted where it has read the archive to its end itself.
    """
    if entries is None:
        entries = shelf.read_archive(archive, lambda _tar, _member: None)
    place, earlier, size = into / archive.name, "", archive.stat().st_size
    state = "unchanged" if place.is_file() and shelf.find_sum(place) == digest else "fetched"
    sums = {place.name: digest}
    if state == "fetched":
        earlier = shelf.put_down(archive, place)
        sums |= {earlier: shelf.find_sum(into / earlier)} if earlier else {}
        shelf.check_sum(place, digest)
    shelf.write_sums(into, sums)
    return {"state": state, "path": str(place), "sha256": digest, "size": size, "files": entries, "earlier": earlier}


class ActionModule(ActionBase):
    """What Ansible looks for in an action plugin."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Say what is here, gather the rest on the host, and put it down."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        into, path = Path(arguments["into"]).expanduser(), arguments.get("path", ".")
        if arguments.get("form", "files") == "files":
            students = [notebook["student"] for notebook in arguments["notebooks"]]
            arguments["known"] = {student: inside.find_digest(into / student / path) for student in students}
        result: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=False)
        bundle, sums, counted = result.pop("bundle", ""), result.pop("sums", {}), result.pop("entries", {})
        for student, answer in list(result.get("answers", {}).items()):
            result["answers"][student] = describe(answer["state"], into / student / path)
            if answer["state"] == "missing" and path == ".":
                del result["answers"][student]
                result["failures"][student] = {"message": "there is no home", "fix": "`dstk up` makes it"}
        if not bundle:
            return result
        try:
            with shelf.open_partial(into) as partial:
                local = partial / "bundle.tar"
                self._connection.fetch_file(bundle, str(local))
                local.chmod(0o600)
                self._put_down_all(result, local, partial, sums, into, counted)
        except OSError as error:
            result |= {"failed": True, "msg": f"{into} cannot be written: {error}\nFix: choose another folder for it."}
        finally:
            self._low_level_execute_command(f"rm -rf {shlex.quote(posixpath.dirname(bundle))}")
        return result

    def _put_down_all(
        self,
        result: dict[str, Any],
        bundle: Path,
        partial: Path,
        sums: dict[str, str],
        into: Path,
        counted: dict[str, int],
    ) -> None:
        """Put down what came, student by student, and write into the result what became of it."""
        archives = self._task.args.get("form", "files") == "archives"
        ending = shelf.ENDINGS[self._task.args.get("compression") == "zstd"]
        for student, archive in shelf.split_bundle(bundle, partial, sums, ending):
            try:
                shelf.check_sum(archive, sums[student])
                if archives:
                    answer = keep_archive(archive, into, sums[student], counted.get(student))
                else:
                    room = shelf.ensure_folder(partial / student)
                    answer = keep_files(archive, self._task.args["path"], into / student, room)
                result["answers"][student] = answer
            except (shelf.ShelfError, OSError) as error:
                message = getattr(error, "message", f"it cannot be put down here: {error}")
                fix = getattr(error, "fix", f"see that {into} is yours and has room")
                del result["answers"][student]
                result["failures"][student] = {"message": message, "fix": fix}
