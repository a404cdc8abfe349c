"""Lookup plugin: one key of the configuration, for the inventory, which is read before any variable exists."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

DOCUMENTATION = """
name: dstk_config
short_description: one key of the configuration
version_added: "0.1.0"
author: dstk
description:
  - Walks the same layers as the vars plugin, and the extra variables of the command line as the last.
options:
  _terms:
    description: Names of keys, without C(dstk_).
    required: true
"""

EXAMPLES = """
regions: ["{{ lookup('dstk_config', 'region') }}"]
"""

RETURN = """
_raw:
  description: The value of each key.
  type: list
"""

PROJECT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("dstk_layers", PROJECT / "plugins" / "module_utils" / "dstk_layers.py")
layers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layers)


class LookupModule(LookupBase):
    """Answers keys of the configuration."""

    def run(self, terms, variables=None, **kwargs):
        """Answer the value of each key in terms."""
        extra = load_extra_vars(self._loader) if context.CLIARGS.get("extra_vars") else {}
        try:
            defaults = layers.load_defaults(PROJECT)
            path = layers.find_config(extra.get("dstk_config"))
            values = layers.resolve(
                defaults,
                layers.read_config(path) if path else {},
                layers.environment_layer(os.environ, defaults),
                layers.extra_layer(extra, defaults),
                environ=os.environ,
            )
        except layers.LayerError as error:
            raise AnsibleLookupError(str(error)) from None
        unknown = [term for term in terms if term not in values]
        if unknown:
            raise AnsibleLookupError(f"no such key: {', '.join(unknown)}")
        return [values[term] for term in terms]
