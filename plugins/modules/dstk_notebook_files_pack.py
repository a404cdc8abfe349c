#!/usr/bin/python
"""Module: files of the controller are packed for the notebooks."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dstk_notebook_inside import find_entries, find_sum

DOCUMENTATION = """
module: dstk_notebook_files_pack
short_description: Files of the controller are packed for the notebooks
version_added: "0.1.0"
author: dstk
description:
  - Packs files and folders into one tar that only its owner reads, each file with its checksum. Owners, dates and links
    stay behind, and what a link leads to is packed where it is a file.
options:
  paths:
    description: Files and folders. Each arrives under its own name, as with C(cp -r).
    type: list
    elements: path
    required: true
"""

EXAMPLES = """
- name: The files are packed
  dstk_notebook_files_pack:
    paths: [week1, notes.md]
"""

RETURN = """
bundle:
  description: The tar, for the caller to remove.
  type: str
  returned: success
files:
  description: How many files are in it.
  type: int
  returned: success
"""

EXCLUDED = (".git", ".ipynb_checkpoints", "__pycache__")
"""What nobody means to hand out: a history may hold the solutions."""


def find_mistakes(paths: list[str]) -> list[str]:
    """Answer what is wrong with the paths, all of it."""
    mistakes = [f"{path} does not exist" for path in paths if not Path(path).exists()]
    names = [find_name(path) for path in paths]
    mistakes += [f"two of them are called {name}" for name in sorted({name for name in names if names.count(name) > 1})]
    mistakes += [f"{path} has no name of its own" for path, name in zip(paths, names, strict=True) if not name]
    return mistakes


def find_name(path: str) -> str:
    """Answer under which name a path arrives."""
    return Path(path).resolve().name


def find_files(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, path and kind of all that belongs to a path: files and folders."""
    root = Path(path).resolve()
    for name, place, kind, _ in find_entries(root, EXCLUDED):
        whole = f"{root.name}/{name}" if name else root.name
        if kind == "link" and Path(place).is_file():
            yield whole, os.path.realpath(place), "file"
        elif kind in ("file", "folder"):
            yield whole, place, kind


def pack(paths: list[str], bundle: str) -> int:
    """Pack the files, and answer how many they are.

    Raises:
        OSError: one cannot be read.
    """
    count = 0
    with tarfile.open(bundle, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            for name, place, kind in find_files(path):
                info = tarfile.TarInfo(name)
                info.mode = Path(place).stat().st_mode & 0o777
                if kind == "folder":
                    info.type = tarfile.DIRTYPE
                    tar.addfile(info)
                    continue
                with Path(place).open("rb") as file:
                    info.size = os.fstat(file.fileno()).st_size
                    info.pax_headers = {"dstk.sha256": find_sum(place)}
                    tar.addfile(info, file)
                count += 1
    return count


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"paths": {"type": "list", "elements": "path", "required": True}})
    paths = [str(Path(path).expanduser()) for path in module.params["paths"]]
    mistakes = find_mistakes(paths)
    if mistakes:
        module.fail_json(
            msg=f"{'; '.join(mistakes)}\nFix: name files and folders that are here, each with a name of its own."
        )
    handle, bundle = tempfile.mkstemp(prefix="dstk-", suffix=".tar")
    os.close(handle)
    try:
        count = pack(paths, bundle)
    except OSError as error:
        Path(bundle).unlink()
        module.fail_json(
            msg=f"{error.filename} cannot be packed: {error.strerror}\nFix: make it readable, or leave it out."
        )
    module.exit_json(changed=False, bundle=bundle, files=count)


if __name__ == "__main__":
    main()
