"""Read a password from standard input, write Jupyter's configuration with its hash to standard output."""

from __future__ import annotations

import json
import sys

from jupyter_server.auth import passwd

password = sys.stdin.read().strip()
if len(password) < 8:
    sys.exit("the password is shorter than 8 characters")
json.dump({"PasswordIdentityProvider": {"hashed_password": passwd(password)}}, sys.stdout)
