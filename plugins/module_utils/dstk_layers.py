"""Where a value of the configuration comes from, in layers: defaults, dstk.yml, environment, the run's own.

The vars plugin, the lookup plugin and the Python library all read this file, so that every door gives one answer.
It needs nothing but PyYAML.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

PREFIX = "dstk_"
ENVIRONMENT_PREFIX = "DSTK_"
CONFIG_NAME = "dstk.yml"
AUTO = "auto"
WIDE_PREFIX = {4: 8, 6: 32}
"""A network is wide whose prefix is shorter than this, by version of IP."""

COMPUTED_KEYS = ("deployment", "student", "state_dir")
"""Keys whose `auto` depends on who runs dstk; `resolve` puts the value in its place."""

COMMAND_KEYS = frozenset({"target"})
"""Keys of dstk.yml that only the dstk command reads."""

RUN_DEFAULTS: dict[str, Any] = {"limit": [], "prune": False}
"""What is said of one run, as an extra variable or a flag, and never in a file or the environment."""


class LayerError(Exception):
    """A layer that cannot be read; the message names the file and the remedy."""


def load_defaults(project_dir: str | Path) -> dict[str, Any]:
    """Read the user-facing defaults, `{key: literal}` without their prefix, from the project's group_vars/all.yml.

    Mappings of role inputs stand in the same file and are left out, for they carry the prefix of their role.
    """
    folder = Path(project_dir)
    # the wheel holds group_vars beside the inventory only; in a checkout that place is a link
    path = folder / "inventory" / "group_vars" / "all.yml"
    if not path.exists():
        path = folder / "group_vars" / "all.yml"
    values = _read_mapping(path)
    return {key.removeprefix(PREFIX): value for key, value in values.items() if key.startswith(PREFIX)}


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a dstk.yml. An empty file is an empty mapping.

    Raises LayerError where the file cannot be read, is no YAML or no mapping.
    """
    return _read_mapping(Path(path))


def find_wide(networks: Iterable[str]) -> list[str]:
    """Answer the networks that let so many in that a request has to say that it means them."""
    known = {text: ipaddress.ip_network(text) for text in networks if text != AUTO}
    return [text for text, network in known.items() if network.prefixlen < WIDE_PREFIX[network.version]]


def find_config(choice: str | None, folder: str | Path = ".") -> Path | None:
    """Answer which dstk.yml applies: the chosen one, none for an empty choice, else the folder's own if it is there."""
    if choice is None:
        path = Path(folder) / CONFIG_NAME
        return path if path.exists() else None
    return Path(choice).expanduser() if choice else None


def environment_layer(environ: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Read `DSTK_<KEY>` for every known key, each as the kind of value that its default is.

    Lists are comma-separated, mappings are YAML; numbers are read where the default is one or `auto` may be one.
    """
    layer = {}
    for key, default in defaults.items():
        text = environ.get(ENVIRONMENT_PREFIX + key.upper())
        if text is not None:
            layer[key] = _parse_text(text, key, default)
    return layer


def extra_layer(extra: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Read the extra variables `dstk_<key>` of known keys; text is read as that of the environment is."""
    layer = {}
    for key, default in defaults.items():
        value = extra.get(PREFIX + key)
        if value is not None:
            layer[key] = _parse_text(value, key, default) if isinstance(value, str) else value
    return layer


def read_names(value: Any) -> list[str]:
    """Read a list of names, which text holds with commas."""
    parts = value.split(",") if isinstance(value, str) else value or []
    return [str(part).strip() for part in parts if str(part).strip()]


def anchored(config: Mapping[str, Any], folder: str | Path) -> dict[str, Any]:
    """Answer the values of a dstk.yml with its roster's path led back to the folder of that file."""
    roster = config.get("roster")
    if not isinstance(roster, str) or not roster or roster.startswith("~"):
        return dict(config)
    return {**config, "roster": str(Path(folder) / roster)}


def unknown_keys(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Answer the keys of a dstk.yml that mean nothing."""
    return [str(key) for key in config if key not in defaults and key not in COMMAND_KEYS]


def user_name(environ: Mapping[str, str]) -> str:
    """Answer who runs dstk, in letters that tags, host names and paths all take."""
    name = environ.get("USER") or _account_name()
    return re.sub(r"[^a-z0-9-]", "-", name.lower())


def computed(environ: Mapping[str, str]) -> dict[str, str]:
    """Answer what `auto` stands for in each of COMPUTED_KEYS."""
    user = user_name(environ)
    data_home = environ.get("XDG_DATA_HOME") or str(_home(environ) / ".local" / "share")
    return {"deployment": f"dstk-{user}"[:40], "student": user, "state_dir": f"{data_home}/dstk"}


def resolve(
    defaults: Mapping[str, Any],
    *layers: Mapping[str, Any],
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """Merge the layers over the defaults, later ones winning, and compute what is `auto` because of the user.

    Keys that no default knows are left out.
    """
    values = dict(defaults)
    for layer in layers:
        values.update({key: value for key, value in layer.items() if key in defaults})
    automatic = computed(environ)
    for key in COMPUTED_KEYS:
        if values.get(key) in (AUTO, "", None):
            values[key] = automatic[key]
        values[key] = str(values[key])
    for key in ("state_dir", "roster"):
        if values.get(key):
            values[key] = _expand(str(values[key]), environ)
    return values


def overrides(
    defaults: Mapping[str, Any],
    *,
    config: Mapping[str, Any],
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """Answer only what differs in kind from the defaults' own layer: dstk.yml, the environment, what is computed."""
    from_environment = environment_layer(environ, defaults)
    values = resolve(defaults, config, from_environment, environ=environ)
    named = {key for key in (*config, *from_environment, *COMPUTED_KEYS) if key in defaults}
    return {key: values[key] for key in named}


def find_ssh_key(choice: str, environ: Mapping[str, str]) -> str:
    """Answer the path of the private key: the chosen one; for `auto` the first that the user has, else the one to make.

    The order is ssh's own for the two kinds that AWS accepts.
    """
    if choice != AUTO:
        return _expand(choice, environ)
    folder = _home(environ) / ".ssh"
    names = ("id_ed25519", "id_rsa")
    return next((str(folder / name) for name in names if (folder / name).exists()), str(folder / names[0]))


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LayerError(f"{path}: {error.strerror}\nFix: name a file that can be read (dstk_config=FILE)") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise LayerError(
            f"{path} is not YAML: {problem}\nFix: correct it, or write a new one with `dstk init`"
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise LayerError(f"{path} holds a {type(values).__name__}\nFix: write one `key: value` a line")
    return values


def _parse_text(text: str, key: str, default: object) -> Any:
    if isinstance(default, list):
        return read_names(text)
    kinds: tuple[type, ...] = ()
    if isinstance(default, dict):
        kinds = (dict,)
    elif isinstance(default, bool | int) or (default == AUTO and key not in COMPUTED_KEYS):
        kinds = (bool, int, float)
    try:
        value = yaml.safe_load(text) if kinds else text
    except yaml.YAMLError:
        return text
    return value if isinstance(value, kinds) else text


def _account_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user{os.getuid()}"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def _expand(path: str, environ: Mapping[str, str]) -> str:
    return str(_home(environ)) + path[1:] if path == "~" or path.startswith("~/") else path


def known_keys(defaults: Mapping[str, Any]) -> Iterable[str]:
    """Answer every key that a dstk.yml may hold."""
    return sorted({*defaults, *COMMAND_KEYS})
