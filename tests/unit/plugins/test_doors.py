"""A value is the same through every door of Ansible, wherever it was set."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.environment import ROOT, clean_environment

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Told
      ansible.builtin.debug:
        msg: "TOLD {{ [dstk_region, dstk_deployment, dstk_volume_size, ec2_instance_type] | to_json }}"
"""
DOORS = {
    "a playbook at the root": ["ansible-playbook", "site.yml"],
    "a playbook of the folder": ["ansible-playbook", "playbooks/told.yml"],
    "a single module": [
        "ansible",
        "localhost",
        "-m",
        "ansible.builtin.debug",
        "-a",
        "msg='TOLD {{ [dstk_region, dstk_deployment, dstk_volume_size, ec2_instance_type] | to_json }}'",
    ],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a playbook that tells, imported by one at the root."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("plugins", "inventory", "group_vars"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "ansible.cfg", folder)
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "told.yml").write_text(PLAY)
    (folder / "site.yml").write_text("- import_playbook: playbooks/told.yml\n")
    return folder


def open_door(project: Path, door: str, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(project, AWS_EC2_METADATA_DISABLED="true", **variables)
    command = [*DOORS[door], *more]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)


def ask(project: Path, door: str, *more: str, **variables: str) -> list[object]:
    """What the door tells of region, deployment, volume size and a role's input."""
    environment = clean_environment(project, AWS_EC2_METADATA_DISABLED="true", **variables)
    run = subprocess.run(
        [*DOORS[door], *more], cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )
    told = [line for line in run.stdout.splitlines() if "TOLD" in line]
    assert told, run.stdout + run.stderr
    answer: list[object] = json.loads(told[0][told[0].index("[") : told[0].rindex("]") + 1])
    return answer


@pytest.mark.parametrize("door", DOORS)
def test_a_default_is_known(project: Path, door: str) -> None:
    assert ask(project, door) == ["us-west-2", "dstk-ada", 30, "t2.micro"]


@pytest.mark.parametrize("door", DOORS)
def test_the_named_file_the_environment_and_the_command_line_win_in_this_order(
    project: Path, door: str, tmp_path: Path
) -> None:
    config = tmp_path / "class.yml"
    config.write_text("region: eu-west-1\ndeployment: csx450\nvolume_size: 40\ninstance_type: t3.small\n")
    chosen = ["-e", f"dstk_config={config}", "-e", "dstk_instance_type=t3.large"]
    told = ask(project, door, *chosen, DSTK_VOLUME_SIZE="50")
    assert told == ["eu-west-1", "csx450", 50, "t3.large"]


def test_the_file_of_the_working_directory_is_read_unless_none_is_wished_for(project: Path) -> None:
    config = project / "dstk.yml"
    config.write_text("region: eu-central-1\n")
    try:
        assert ask(project, "a playbook at the root")[0] == "eu-central-1"
        assert ask(project, "a playbook at the root", "-e", "dstk_config=")[0] == "us-west-2"
    finally:
        config.unlink()


CLASS = [
    "ansible",
    "localhost",
    "-m",
    "ansible.builtin.debug",
    "-a",
    "msg='TOLD {{ [dstk_class | map(attribute=\"student\"), dstk_limit, dstk_prune] | to_json }}'",
]


@pytest.fixture
def course(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What chooses a file with a roster beside it."""
    monkeypatch.setitem(DOORS, "the class", CLASS)
    (tmp_path / "dstk.yml").write_text("roster: roster.csv\n")
    (tmp_path / "roster.csv").write_text("name,email\nAda Lovelace,ada@example.org\n王小明,\n")
    return ["-e", f"dstk_config={tmp_path / 'dstk.yml'}"]


@pytest.mark.usefixtures("course")
def test_a_lone_user_is_a_class_of_one(project: Path) -> None:
    assert ask(project, "the class") == [["ada"], [], False]


def test_a_roster_makes_the_class(project: Path, course: list[str]) -> None:
    assert ask(project, "the class", *course) == [["ada", "student-acf979"], [], False]


@pytest.mark.usefixtures("course")
def test_students_of_the_environment_and_of_the_command_line_are_a_class(project: Path) -> None:
    assert ask(project, "the class", DSTK_STUDENTS="ada,grace")[0] == ["ada", "grace"]
    assert ask(project, "the class", "-e", "dstk_students=alan,ada", DSTK_STUDENTS="ada,grace")[0] == ["alan", "ada"]


def test_the_class_that_the_library_computed_is_taken_as_it_is(project: Path, course: list[str]) -> None:
    given = json.dumps({"dstk_class": [{"student": "grace"}], "dstk_limit": ["grace"], "dstk_prune": True})
    assert ask(project, "the class", *course, "-e", given) == [["grace"], ["grace"], True]


def test_every_mistake_of_a_roster_stops_the_run(project: Path, course: list[str], tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("name,email\nAda,ada\n{{ 1 }},\n")
    run = open_door(project, "the class", *course)
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert "roster.csv:2: email" in said
    assert "roster.csv:3: name" in said


def test_a_limit_that_nobody_meets_stops_the_run(project: Path, course: list[str]) -> None:
    run = open_door(project, "the class", *course, "-e", "dstk_limit=adda")
    assert run.returncode != 0
    assert "did you mean ada?" in run.stdout + run.stderr


def test_an_unknown_key_is_warned_of_with_those_that_are_known(project: Path, tmp_path: Path) -> None:
    (tmp_path / "dstk.yml").write_text("regon: eu-west-1\n")
    run = open_door(project, "a single module", "-e", f"dstk_config={tmp_path / 'dstk.yml'}")
    said = " ".join((run.stdout + run.stderr).split())
    assert "no such key: regon" in said
    assert "region" in said


def test_a_file_that_is_no_yaml_stops_the_run_with_a_remedy(project: Path, tmp_path: Path) -> None:
    (tmp_path / "dstk.yml").write_text("region: [\n")
    run = open_door(project, "a single module", "-e", f"dstk_config={tmp_path / 'dstk.yml'}")
    assert run.returncode != 0
    assert "Fix: " in run.stdout + run.stderr
