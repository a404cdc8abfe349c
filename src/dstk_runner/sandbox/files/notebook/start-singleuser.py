#!/usr/bin/env python3
"""The server as a hub starts it: the same, under another name."""

import os
import sys

os.environ.setdefault("DOCKER_STACKS_JUPYTER_CMD", "lab")
os.execvp("start-notebook.py", ["start-notebook.py", *sys.argv[1:]])
