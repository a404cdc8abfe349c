#!/usr/bin/env python3
"""Ask the server that runs here for its version."""

import os
import urllib.request

base = os.environ.get("NB_PREFIX", "").rstrip("/")
urllib.request.urlopen(f"http://127.0.0.1:{os.environ['JUPYTER_PORT']}{base}/api", timeout=1)
