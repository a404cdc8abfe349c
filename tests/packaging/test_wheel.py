"""The wheel holds what git holds, and works outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.environment import BIN, ROOT, clean_environment

#: Where each part of the checkout stands in the wheel; the order matters, the longest first.
PLACES = {
    "src/dstk_runner/": "dstk_runner/",
    "inventory/aws_ec2.yml": "dstk_runner/_project/inventory/aws_ec2.yml",
    "group_vars/": "dstk_runner/_project/inventory/group_vars/",
    "site.yml": "dstk_runner/_project/site.yml",
    "ansible.cfg": "dstk_runner/_project/ansible.cfg",
    "requirements.yml": "dstk_runner/_project/requirements.yml",
    "playbooks/": "dstk_runner/_project/playbooks/",
    "roles/": "dstk_runner/_project/roles/",
    "plugins/": "dstk_runner/_project/plugins/",
}


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and hand back what it printed; a failure fails the test with all of it."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        pytest.fail(f"{command} exited {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git tracks, as they stand in the checkout now."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked():
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            copy.symlink_to((ROOT / name).readlink())
        else:
            copy.write_bytes((ROOT / name).read_bytes())
            copy.chmod((ROOT / name).stat().st_mode)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built through the source distribution as a release is."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder, ".", cwd=clone, env=with_bin())
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel in it; not activated."""
    folder = tmp_path_factory.mktemp("installed")
    run(BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    run(BIN / "uv", "pip", "install", "--quiet", "--python", folder / "venv/bin/python", wheel, cwd=folder)
    return folder / "venv/bin"


def with_bin() -> dict[str, str]:
    """This process's environment, with the virtual environment's commands on PATH."""
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}


def tracked() -> list[str]:
    """The files of the checkout that git knows and that are there."""
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    return [name for name in names if name and ((ROOT / name).is_file() or (ROOT / name).is_symlink())]


def test_the_wheel_holds_exactly_what_git_tracks(wheel: Path) -> None:
    expected = set()
    for name in tracked():
        for place, inside in PLACES.items():
            if name == place or (place.endswith("/") and name.startswith(place)):
                expected.add(inside + name.removeprefix(place) if place.endswith("/") else inside)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected


def test_the_installed_command_makes_and_checks_a_configuration_outside_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    environment = clean_environment(tmp_path, PATH=os.environ["PATH"])
    run(installed / "dstk", "init", cwd=tmp_path, env=environment)
    assert "instance_type" in (tmp_path / "dstk.yml").read_text()


def test_the_installed_command_plans_against_a_sandbox_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    environment = clean_environment(tmp_path, PATH=os.environ["PATH"], DSTK_SANDBOX_DIR=str(tmp_path / "sandbox"))
    start = "from dstk_runner import sandbox; sandbox.up(mode='api')"
    run(installed / "python", "-c", start, cwd=tmp_path, env=environment)
    try:
        plan = json.loads(run(installed / "dstk", "plan", "--sandbox", "--json", cwd=tmp_path, env=environment))
    finally:
        run(installed / "dstk", "sandbox", "down", cwd=tmp_path, env=environment)
    assert plan["ok"] is True
    assert plan["image"]["id"].startswith("ami-")


def test_the_library_is_typed_and_small(installed: Path, tmp_path: Path) -> None:
    names = run(installed / "python", "-c", "import dstk_runner; print(*dstk_runner.__all__)", cwd=tmp_path).split()
    assert {"deploy", "status", "destroy"} <= set(names)
    assert len(names) <= 50
