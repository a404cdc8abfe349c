"""Listen where the container's port leads to."""

import os

c = get_config()  # noqa: F821 - Jupyter's loader defines it
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = int(os.environ.get("JUPYTER_PORT", "8888"))
c.ServerApp.open_browser = False
c.FileContentsManager.delete_to_trash = False
