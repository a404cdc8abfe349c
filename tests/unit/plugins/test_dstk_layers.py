from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from support.environment import ROOT
from support.plugins import Load

DEFAULTS = {
    "deployment": "auto",
    "student": "auto",
    "state_dir": "auto",
    "region": "us-west-2",
    "volume_size": 30,
    "swap_size": "auto",
    "allowed_cidrs": ["auto"],
    "roster": "",
    "students": [],
    "notebook_cpus": "auto",
    "extra_packages": {},
}


@pytest.fixture(scope="module")
def layers(load: Load) -> ModuleType:
    return load("module_utils/dstk_layers")


def test_the_defaults_are_the_keys_of_group_vars_without_their_prefix(layers: ModuleType) -> None:
    defaults = layers.load_defaults(ROOT)
    assert defaults["volume_size"] == 30
    assert not [key for key in defaults if key.startswith(("aws_network", "ec2_instance", "dstk_"))]


def test_the_defaults_of_an_installed_package_stand_beside_its_inventory(layers: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "inventory" / "group_vars"
    folder.mkdir(parents=True)
    (folder / "all.yml").write_text("dstk_region: eu-west-1\nrole_thing: 1\n")
    assert layers.load_defaults(tmp_path) == {"region": "eu-west-1"}


def test_a_later_layer_wins(layers: ModuleType) -> None:
    values = layers.resolve(DEFAULTS, {"region": "a", "volume_size": 40}, {"region": "b"}, environ={"USER": "ada"})
    assert (values["region"], values["volume_size"]) == ("b", 40)


def test_a_key_that_no_default_knows_is_left_out(layers: ModuleType) -> None:
    assert "regon" not in layers.resolve(DEFAULTS, {"regon": "a"}, environ={"USER": "ada"})


def test_the_user_names_deployment_student_and_folder(layers: ModuleType) -> None:
    values = layers.resolve(DEFAULTS, environ={"USER": "Ada.Lovelace", "HOME": "/home/ada"})
    assert values["deployment"] == "dstk-ada-lovelace"
    assert values["student"] == "ada-lovelace"
    assert values["state_dir"] == "/home/ada/.local/share/dstk"


def test_a_long_user_name_makes_a_deployment_of_forty_letters(layers: ModuleType) -> None:
    assert len(layers.computed({"USER": "a" * 60})["deployment"]) == 40


def test_the_data_home_is_followed(layers: ModuleType) -> None:
    assert layers.computed({"USER": "ada", "XDG_DATA_HOME": "/data"})["state_dir"] == "/data/dstk"


def test_a_student_number_stays_text(layers: ModuleType) -> None:
    values = layers.resolve(DEFAULTS, {"student": 12345}, {"deployment": "x"}, environ={"USER": "ada"})
    assert values["student"] == "12345"


def test_the_folder_may_begin_with_the_home(layers: ModuleType) -> None:
    values = layers.resolve(DEFAULTS, {"state_dir": "~/dstk"}, environ={"USER": "ada", "HOME": "/home/ada"})
    assert values["state_dir"] == "/home/ada/dstk"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("VOLUME_SIZE", "50", 50),
        ("VOLUME_SIZE", "big", "big"),
        ("SWAP_SIZE", "0", 0),
        ("SWAP_SIZE", "auto", "auto"),
        ("STUDENT", "12345", "12345"),
        ("REGION", "eu-west-1", "eu-west-1"),
        ("ALLOWED_CIDRS", "auto, 203.0.113.0/24", ["auto", "203.0.113.0/24"]),
        ("STUDENTS", "ada, grace", ["ada", "grace"]),
        ("NOTEBOOK_CPUS", "0.5", 0.5),
        ("EXTRA_PACKAGES", "{pip: [pandas]}", {"pip": ["pandas"]}),
        ("EXTRA_PACKAGES", "{pip: [", "{pip: ["),
    ],
)
def test_a_variable_of_the_environment_is_read_as_its_default_is(
    layers: ModuleType, name: str, text: str, value: object
) -> None:
    assert layers.environment_layer({f"DSTK_{name}": text}, DEFAULTS) == {name.lower(): value}


def test_text_of_an_extra_variable_is_read_as_that_of_the_environment_is(layers: ModuleType) -> None:
    extra = {"dstk_students": "ada,grace", "dstk_volume_size": 50, "dstk_regoin": "x", "other": 1}
    assert layers.extra_layer(extra, DEFAULTS) == {"students": ["ada", "grace"], "volume_size": 50}


@pytest.mark.parametrize("value", ["ada, grace", ["ada", "grace"], ("ada", "grace")])
def test_names_are_read_from_a_list_or_from_text(layers: ModuleType, value: object) -> None:
    assert layers.read_names(value) == ["ada", "grace"]


@pytest.mark.parametrize("value", ["", None, [], [""]])
def test_no_names_are_no_names(layers: ModuleType, value: object) -> None:
    assert layers.read_names(value) == []


@pytest.mark.parametrize(
    ("roster", "path"),
    [
        ("class.csv", "/course/class.csv"),
        ("/data/class.csv", "/data/class.csv"),
        ("~/class.csv", "~/class.csv"),
        ("", ""),
    ],
)
def test_the_path_of_a_roster_counts_from_the_folder_of_its_file(layers: ModuleType, roster: str, path: str) -> None:
    assert layers.anchored({"roster": roster}, "/course") == {"roster": path}


def test_a_roster_may_be_in_the_home(layers: ModuleType) -> None:
    values = layers.resolve(DEFAULTS, {"roster": "~/class.csv"}, environ={"USER": "ada", "HOME": "/home/ada"})
    assert values["roster"] == "/home/ada/class.csv"


def test_a_variable_that_is_no_key_is_left_alone(layers: ModuleType) -> None:
    assert layers.environment_layer({"DSTK_SANDBOX_DIR": "/x"}, DEFAULTS) == {}


def test_the_overrides_are_what_was_chosen_and_what_is_computed(layers: ModuleType) -> None:
    values = layers.overrides(DEFAULTS, config={"region": "a"}, environ={"USER": "ada", "DSTK_VOLUME_SIZE": "50"})
    assert sorted(values) == ["deployment", "region", "state_dir", "student", "volume_size"]


def test_the_file_of_the_folder_applies_unless_another_or_none_is_chosen(layers: ModuleType, tmp_path: Path) -> None:
    assert layers.find_config(None, tmp_path) is None
    (tmp_path / "dstk.yml").write_text("region: a\n")
    assert layers.find_config(None, tmp_path) == tmp_path / "dstk.yml"
    assert layers.find_config("", tmp_path) is None
    assert layers.find_config("other.yml", tmp_path) == Path("other.yml")


@pytest.mark.parametrize(
    ("text", "said"), [("region: [", "is not YAML"), ("- a\n", "holds a list"), (None, "No such file")]
)
def test_a_file_that_cannot_be_used_is_named_with_a_remedy(
    layers: ModuleType, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "dstk.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(layers.LayerError, match=said) as error:
        layers.read_config(path)
    assert str(path) in str(error.value)
    assert str(error.value).splitlines()[-1].startswith("Fix: ")


def test_an_empty_file_is_an_empty_layer(layers: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "dstk.yml").write_text("# nothing yet\n")
    assert layers.read_config(tmp_path / "dstk.yml") == {}


def test_the_keys_that_only_the_command_reads_are_known(layers: ModuleType) -> None:
    assert layers.unknown_keys({"target": "aws", "region": "a", "regon": "b"}, DEFAULTS) == ["regon"]


def test_the_users_key_is_the_first_that_is_there(layers: ModuleType, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    folder = tmp_path / ".ssh"
    folder.mkdir()
    assert layers.find_ssh_key("auto", environ) == str(folder / "id_ed25519")
    (folder / "id_rsa").touch()
    assert layers.find_ssh_key("auto", environ) == str(folder / "id_rsa")
    (folder / "id_ed25519").touch()
    assert layers.find_ssh_key("auto", environ) == str(folder / "id_ed25519")
    assert layers.find_ssh_key("~/keys/class", environ) == str(tmp_path / "keys" / "class")
