"""In the place of a notebook: tell a caller which headers came, and refuse every login."""

from __future__ import annotations

import http.server
import json
import sys


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers as its caller asks."""

    def do_GET(self) -> None:
        """Tell the headers."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(dict(self.headers)).encode())

    def do_POST(self) -> None:
        """Refuse the login."""
        self.send_response(401)
        self.end_headers()


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
