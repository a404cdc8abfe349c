"""Vars plugin: dstk.yml and DSTK_* become the variables dstk_* of every host."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleParserError
from ansible.inventory.group import Group
from ansible.plugins.vars import BaseVarsPlugin
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

DOCUMENTATION = """
name: dstk_config
short_description: dstk.yml and DSTK_* as variables
version_added: "0.1.0"
author: dstk
description:
  - Reads C(./dstk.yml), or the file named by the extra variable C(dstk_config), and gives each C(key) as C(dstk_key).
  - The environment's C(DSTK_KEY) wins over the file; extra variables win over both.
  - An empty C(dstk_config) reads no file.
  - C(dstk_class) is the class that follows from them, C(dstk_limit) and C(dstk_prune) are empty and false unless given.
requirements:
  - enabled in the configuration
"""

PROJECT = Path(__file__).resolve().parents[2]


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, PROJECT / "plugins" / "module_utils" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their own module up by name
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


layers = _load("dstk_layers")
roster = _load("dstk_roster")

_answer: dict | None = None


class VarsModule(BaseVarsPlugin):
    """Gives the overrides to the group `all`, which implicit localhost is in too."""

    REQUIRES_ENABLED = True

    def get_vars(self, loader, path, entities, cache=True):
        """Answer the overrides; the same for every path, so that they win over each group_vars/all.yml."""
        super().get_vars(loader, path, entities)
        entities = entities if isinstance(entities, list | tuple) else [entities]
        if not any(isinstance(entity, Group) and entity.name == "all" for entity in entities):
            return {}
        return _overrides(loader)


def _overrides(loader) -> dict:
    """Read everything once a process: neither file nor environment changes during a run."""
    global _answer
    if _answer is None:
        extra = load_extra_vars(loader) if context.CLIARGS.get("extra_vars") else {}
        try:
            _answer = _read(extra)
        except (layers.LayerError, roster.RosterError) as error:
            raise AnsibleParserError(str(error)) from None
    return _answer


def _read(extra: dict) -> dict:
    defaults = layers.load_defaults(PROJECT)
    path = layers.find_config(extra.get("dstk_config"))
    config = layers.anchored(layers.read_config(path), path.parent) if path else {}
    for key in layers.unknown_keys(config, defaults):
        known = ", ".join(layers.known_keys(defaults))
        Display().warning(f"{path}: no such key: {key}. The keys are {known}.")
    values = layers.RUN_DEFAULTS | layers.overrides(defaults, config=config, environ=os.environ)
    if "dstk_class" not in extra:
        values["class"] = _find_class(defaults, config, extra)
    return {layers.PREFIX + key: value for key, value in values.items()}


def _find_class(defaults: dict, config: dict, extra: dict) -> list[dict]:
    """Read the class, with what the command line says of it, and hold the limit against it."""
    environment, given = layers.environment_layer(os.environ, defaults), layers.extra_layer(extra, defaults)
    members = roster.find_class(layers.resolve(defaults, config, environment, given, environ=os.environ))
    wrong = roster.find_strangers(layers.read_names(extra.get("dstk_limit")), members)
    if wrong:
        raise layers.LayerError("\n".join(f"dstk_limit: {message} ({fix})" for message, fix in wrong))
    return members
