"""Read passwords by student from standard input, write their hashes by student to standard output; both are JSON."""

from __future__ import annotations

import json
import sys

from jupyter_server.auth import passwd

passwords = json.load(sys.stdin)
json.dump({name: passwd(text) if len(text) >= 8 else "" for name, text in passwords.items()}, sys.stdout)
