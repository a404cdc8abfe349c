#!/usr/bin/env python3
"""Start JupyterLab, or what DOCKER_STACKS_JUPYTER_CMD names instead, with NOTEBOOK_ARGS and the arguments given."""

import os
import shlex
import sys

command = ["jupyter", os.environ.get("DOCKER_STACKS_JUPYTER_CMD", "lab")]
command += shlex.split(os.environ.get("NOTEBOOK_ARGS", ""))
os.execvp(command[0], command + sys.argv[1:])
