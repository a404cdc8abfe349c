#!/usr/bin/python
"""Documentation of the action that asks JupyterLab from the controller."""

from __future__ import annotations

DOCUMENTATION = """
module: dstk_notebook_answers
short_description: JupyterLab is asked at its public addresses
version_added: "0.1.0"
author: dstk
description:
  - Asks from the controller, where the user is, all addresses at once; the work is that of the action of this name.
options:
  urls:
    description: The URLs by student, without C(/lab).
    type: dict
    required: true
  address:
    description: Where the host is reached, whatever name the URLs bear.
    type: str
    required: true
  authorities:
    description: A file of authorities, in PEM, that are trusted beside those of this machine. It need not be there.
    type: path
  timeout:
    description: Seconds to wait for those that do not answer; each is asked at least once.
    type: int
    default: 0
"""

EXAMPLES = """
- name: JupyterLab answers
  dstk_notebook_answers:
    urls: {ada: "https://203.0.113.7/ada"}
    address: 203.0.113.7
    timeout: 300
"""

RETURN = """
answered:
  description: The students whose JupyterLab answers.
  type: list
  returned: always
troubles:
  description: Why the others do not, by student.
  type: dict
  returned: always
"""
