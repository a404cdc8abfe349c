"""Start (`api.py up MODE`) and end (`api.py down`) a scenario's AWS, in the folder that DSTK_SANDBOX_DIR names."""

from __future__ import annotations

import json
import sys

from dstk_runner import sandbox

if sys.argv[1] == "up":
    sandbox.up(mode=sys.argv[2])
    # the machine's own settings must not lead elsewhere
    own = {"AWS_CA_BUNDLE": "", "AWS_REGION": "us-west-2", **sandbox.environment()}
    sys.stdout.write(json.dumps(own))
else:
    sandbox.down()
