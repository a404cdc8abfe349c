"""Greet as an SSH server at every address of this machine, until the file named in the argument is gone."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

note = Path(sys.argv[1])
server = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - instances have addresses of their own in 127.77.0.0/16
server.settimeout(1)
note.write_text(json.dumps({"port": server.getsockname()[1]}))
# whoever started it goes on
if os.fork() == 0:
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    while note.exists():
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        with connection:
            connection.sendall(b"SSH-2.0-greeter\r\n")
