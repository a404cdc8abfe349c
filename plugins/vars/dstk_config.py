"""Vars plugin: dstk.yml and DSTK_* become the variables dstk_* of every host."""

from __future__ import annotations

import importlib.util
import os
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
requirements:
  - enabled in the configuration
"""

PROJECT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("dstk_layers", PROJECT / "plugins" / "module_utils" / "dstk_layers.py")
layers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layers)

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
        try:
            defaults = layers.load_defaults(PROJECT)
            path = layers.find_config(_chosen(loader))
            config = layers.read_config(path) if path else {}
        except layers.LayerError as error:
            raise AnsibleParserError(str(error)) from None
        for key in layers.unknown_keys(config, defaults):
            known = ", ".join(layers.known_keys(defaults))
            Display().warning(f"{path}: no such key: {key}. The keys are {known}.")
        values = layers.overrides(defaults, config=config, environ=os.environ)
        _answer = {layers.PREFIX + key: value for key, value in values.items()}
    return _answer


def _chosen(loader) -> str | None:
    if not context.CLIARGS.get("extra_vars"):
        return None
    return load_extra_vars(loader).get("dstk_config")
