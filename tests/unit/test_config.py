from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dstk_runner.config import load_config
from dstk_runner.errors import ConfigError

pytestmark = pytest.mark.usefixtures("home")


def mistakes_of(values: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(values, **options)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_nothing_at_all_is_a_valid_request() -> None:
    config = load_config()
    assert (config.deployment, config.student, config.region) == ("dstk-ada", "ada", "us-west-2")


def test_the_file_of_the_folder_is_read(home: Path) -> None:
    (home / "dstk.yml").write_text("region: eu-west-1\n")
    config = load_config()
    assert (config.region, config.source) == ("eu-west-1", "dstk.yml")


def test_the_environment_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "dstk.yml").write_text("region: eu-west-1\n")
    monkeypatch.setenv("DSTK_REGION", "eu-central-1")
    assert load_config().region == "eu-central-1"


def test_the_caller_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_VOLUME_SIZE", "40")
    assert load_config(overrides={"volume_size": 50}).volume_size == 50


def test_numbers_and_lists_of_the_environment_are_read_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_VOLUME_SIZE", "40")
    monkeypatch.setenv("DSTK_ALLOWED_CIDRS", "10.0.0.0/16, auto")
    config = load_config()
    assert (config.volume_size, config.allowed_cidrs) == (40, ("10.0.0.0/16", "auto"))


def test_all_mistakes_are_named_at_once_by_line(home: Path) -> None:
    (home / "dstk.yml").write_text("regoin: x\nvolume_size: 4\nregion: no\nvolume_size: 5\n")
    assert mistakes_of("dstk.yml") == [
        "dstk.yml:1: regoin: there is no such key (did you mean region?)",
        "dstk.yml:2: volume_size: 4 is too small (write at least 8)",
        "dstk.yml:3: region: expected text, got yes/no (put it in quotes)",
        "dstk.yml:4: volume_size: the key stands already on line 2 (keep one of lines 2 and 4)",
    ]


def test_mistakes_of_several_layers_are_told_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "dstk.yml").write_text("target: moon\n")
    monkeypatch.setenv("DSTK_REGION", "nowhere")
    places = [text.split(": ")[0] for text in mistakes_of(None, overrides={"instance_type": "big"}, as_flags=True)]
    assert places == ["dstk.yml:1", "$DSTK_REGION", "--instance-type"]


def test_a_mistyped_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_REGOIN", "eu-west-1")
    assert mistakes_of(None) == ["$DSTK_REGOIN: there is no such key (did you mean DSTK_REGION?)"]


def test_a_variable_that_resembles_no_key_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_SANDBOX_DIR", "/somewhere")
    assert load_config().region == "us-west-2"


def test_a_named_file_that_is_missing_is_a_mistake() -> None:
    assert "the file does not exist" in mistakes_of("other.yml")[0]


def test_a_login_name_that_makes_no_valid_name_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "-")
    assert "computed from your login name: student" in mistakes_of(None)[0]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("deployment", "Has Spaces", "not a name"),
        ("deployment", "a" * 41, "not a name"),
        ("volume_size", True, "expected a whole number"),
        ("volume_size", "30", "without quotes"),
        ("volume_size", 20000, "write at most 16384"),
        ("allowed_cidrs", [], "nobody could reach"),
        ("allowed_cidrs", "auto", "[auto]"),
        ("allowed_cidrs", ["10.0.0.1/8"], "write 10.0.0.0/8"),
        ("allowed_cidrs", ["203.0.113.7"], "write 203.0.113.7/32"),
        ("allowed_cidrs", ["everybody"], "not a network"),
        ("allowed_cidrs", ["2001:db8::1/64"], "write 2001:db8::/64"),
        ("allowed_cidrs", ["0.0.0.0/0"], "allow_wide_cidrs: true"),
        ("allowed_cidrs", ["::/0"], "allow_wide_cidrs: true"),
        ("vpc_cidr", "10.0.0.0/30", "not /16 to /24"),
        ("vpc_cidr", "2001:db8::/32", "not /16 to /24"),
        ("vpc_id", "my-vpc", "not the id of a VPC"),
        ("notebook_port", 22, "taken by SSH"),
        ("notebook_image", "Jupyter/Lab", "not the name of an image"),
        ("swap_size", "much", "neither auto nor a number"),
        ("swap_size", True, "neither auto nor a number"),
        ("docker_source", "podman", "not one of"),
        ("ssh_key", "", "the path is empty"),
        ("student", 12, "put it in quotes"),
        ("students", "ada", "[ada]"),
        ("students", [12345], "put a name in quotes"),
        ("students", [{"name": "Ada", "login": 12345}], "login is not text"),
        ("placement", "beside", "not one of"),
        ("students_per_host", 0, "from 1 to 40"),
        ("students_per_host", 1.5, "from 1 to 40"),
        ("notebook_memory", "2g", "from 256 to"),
        ("notebook_cpus", 0, "from 0.1 to"),
        ("notebook_cpus", True, "from 0.1 to"),
        ("instance_types", ["big"], "not an instance type"),
        ("extra_packages", ["pandas"], "expected a mapping"),
        ("extra_packages", {"conda": ["pandas"]}, "no kind of package called conda"),
        ("extra_packages", {"pip": ["--index-url=x"]}, "pip would not take"),
        ("extra_packages", {"apt": ["-o=x"]}, "apt would not take"),
        ("extra_packages", {"apt": "graphviz"}, "[graphviz]"),
        ("course_repo", "--upload-pack=x", "not the address of a git repository"),
        ("course_repo", "https://ada:secret@example.org/course", "every student could read it"),
        ("course_branch", "-b", "not the name of a branch"),
        ("course_branch", "a..b", "not the name of a branch"),
        ("course_folder", "../etc", "not a path within"),
        ("course_open", "/etc/passwd", "not a path within"),
        ("limit", ["nobody"], "no student nobody"),
        ("budget", -1, "not an amount of USD"),
        ("budget", 0.001, "not an amount of USD"),
        ("schedule", {"start": "08:00", "stop": "07:50"}, "stops hosts just when they have been started"),
        ("schedule", [1], "expected a mapping"),
        ("lease", 0, "days up to 366"),
        ("idle_timeout", 5, "15 to 10080"),
        ("schedule", {"begin": "08:00"}, "a schedule has no begin"),
        ("schedule", {"start": "08:00"}, "nothing stops"),
        ("schedule", {"stop": 1320}, "22:00 without quotes"),
        ("schedule", {"stop": "22:00", "timezone": "Mars/Base"}, "not a time zone"),
        ("schedule", {"until": "soon"}, "not a date"),
        ("schedule_backup", {"at": "3"}, "not a time of the day"),
        ("schedule_backup", {"at": "03:00", "keep": 0}, "from 1 to 1000"),
        ("home_volume_size", 0, "from 1 to 16384"),
        ("baked", "always", "not one of"),
    ],
)
def test_a_value_out_of_range_says_what_would_do(key: str, value: object, words: str) -> None:
    [text] = mistakes_of({key: value})
    assert text.startswith((f"argument: {key}: ", f"{key}=: "))
    assert words in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("notebook_image", "localhost:5000/a/b:tag"),
        ("notebook_image", f"quay.io/jupyter/base-notebook@sha256:{'0' * 64}"),
        ("region", "us-gov-west-1"),
        ("instance_type", "m7i-flex.large"),
        ("instance_type", "u-6tb1.metal"),
        ("vpc_id", None),
        ("swap_size", 0),
        ("deployment", "auto"),
        ("students", ["student01", {"name": "Ada", "email": "ada@example.org", "group": None}]),
        ("students_per_host", 4),
        ("notebook_cpus", 0.5),
        ("extra_packages", {"pip": ["pandas>=2,<3", "x @ https://example.org/x.whl"], "apt": ["g++", "libx:i386"]}),
        ("course_repo", "git@github.com:jupyter/nbgitpuller.git"),
        ("course_branch", "feature/one.two"),
        ("course_open", "Woche 1/Einführung.ipynb"),
        ("prune", True),
    ],
)
def test_values_that_aws_takes_are_taken(key: str, value: object) -> None:
    assert load_config({key: value}).chosen == {key}


def test_ansible_is_told_what_was_set_or_computed_and_nothing_else(home: Path) -> None:
    config = load_config({"region": "eu-west-1", "target": "sandbox"})
    assert config.extra_vars() == {
        "dstk_region": "eu-west-1",
        "dstk_deployment": "dstk-ada",
        "dstk_student": "ada",
        "dstk_state_dir": f"{home}/.local/share/dstk",
        "dstk_class": [dict(member) for member in config.members],
        "dstk_limit": [],
        "dstk_prune": False,
        "dstk_config": "",
    }


def test_lists_reach_ansible_as_lists() -> None:
    assert load_config({"allowed_cidrs": ["auto"]}).extra_vars()["dstk_allowed_cidrs"] == ["auto"]


def test_what_was_chosen_can_be_loaded_again() -> None:
    config = load_config({"region": "eu-west-1", "allowed_cidrs": ["10.0.0.0/16"]})
    assert load_config(config.chosen_values()) == config


def test_a_roster_makes_the_class(home: Path) -> None:
    (home / "roster.csv").write_text("name,email\nAda Lovelace,ada@example.org\nGrace Hopper,grace@example.org\n")
    (home / "dstk.yml").write_text("roster: roster.csv\n")
    config = load_config()
    assert [member["student"] for member in config.members] == ["ada", "grace"]
    assert config.extra_vars()["dstk_class"][1]["name"] == "Grace Hopper"


def test_the_path_of_a_roster_counts_from_the_folder_of_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "course"
    folder.mkdir()
    (folder / "roster.csv").write_text("Ada\n")
    (folder / "dstk.yml").write_text("roster: roster.csv\n")
    config = load_config("course/dstk.yml")
    assert config.roster == str(folder / "roster.csv")
    monkeypatch.chdir(folder)
    assert load_config(config.chosen_values()).roster == config.roster


def test_a_lone_user_is_a_class_of_one() -> None:
    assert [member["student"] for member in load_config().members] == ["ada"]


def test_students_of_the_environment_are_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSTK_STUDENTS", "student01,student02")
    assert [member["student"] for member in load_config().members] == ["student01", "student02"]


def test_mistakes_of_the_roster_and_of_the_file_are_named_together(home: Path) -> None:
    (home / "roster.csv").write_text("name,email\nAda,ada\n,grace@\n")
    (home / "dstk.yml").write_text("volume_size: 4\nroster: roster.csv\n")
    assert [text.partition(": ")[0] for text in mistakes_of(None)] == ["dstk.yml:1", "roster.csv:2", "roster.csv:3"]


def test_a_wrong_student_is_named_by_its_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "dstk.yml").write_text("region: us-west-2\nstudents: [ada, {group: A}]\n")
    assert mistakes_of(None)[0].startswith("dstk.yml:2, item 2: nobody is named")
    monkeypatch.setenv("DSTK_STUDENTS", "ada,grace@")
    assert mistakes_of(None)[0].startswith("$DSTK_STUDENTS, item 2: email: ")


def test_roster_and_students_together_are_a_mistake(home: Path) -> None:
    (home / "dstk.yml").write_text("roster: roster.csv\nstudents: [ada]\n")
    assert "leave one of them out" in mistakes_of(None)[0]


def test_a_name_that_ansible_would_run_is_refused() -> None:
    assert "template" in mistakes_of({"students": ["{{ lookup('pipe', 'id') }}"]})[0]


def test_a_limit_is_a_list_or_text_with_commas() -> None:
    students = {"students": ["ada", "grace", "alan"]}
    assert load_config(students, overrides={"limit": "ada,grace"}).limit == ("ada", "grace")
    assert load_config(students, overrides={"limit": ["alan"]}).extra_vars()["dstk_limit"] == ["alan"]


def test_a_limit_that_nobody_meets_names_the_nearest() -> None:
    [text] = mistakes_of({"students": ["student01"]}, overrides={"limit": ["studnet01"]}, as_flags=True)
    assert text == "--limit: there is no student studnet01 (did you mean student01?)"


def test_what_is_said_of_a_run_is_refused_in_a_file(home: Path) -> None:
    (home / "dstk.yml").write_text("prune: true\n")
    assert mistakes_of(None) == ["dstk.yml:1: prune: this is said of a run, and not in a file (dstk up --prune)"]


@pytest.mark.parametrize("port", [65535, 1])
def test_shared_hosts_need_a_port_a_seat(port: int) -> None:
    [text] = mistakes_of({"placement": "shared", "notebook_port": port})
    assert "notebook_port" in text
