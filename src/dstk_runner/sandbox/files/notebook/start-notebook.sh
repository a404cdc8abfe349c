#!/bin/bash
# The older name of start-notebook.py.
exec start-notebook.py "$@"
