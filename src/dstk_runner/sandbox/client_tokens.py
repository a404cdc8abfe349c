"""Client tokens: a call that is made again with the token of one that was answered does nothing twice."""

from __future__ import annotations

import hashlib
import json
import threading

from werkzeug.wrappers import Response

from dstk_runner.sandbox.wire import Call, Refusal

#: What may differ between a call and its repetition.
INCIDENTAL = frozenset({"ClientToken", "DryRun", "Version", "Action"})


class ClientTokens:
    """What was asked for and answered under each token, by region and action."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str, str], tuple[str, Response]] = {}

    def find_answer(self, call: Call) -> Response | None:
        """Return the earlier answer to this very call, or refuse the token if it was given with another one."""
        if (token := call.params.get("ClientToken")) is None:
            return None
        with self._lock:
            digest, answer = self._answers.get((call.region, call.action, token), (None, None))
        if digest not in (None, _digest(call)):
            message = (
                "Arguments on this idempotent request are inconsistent with arguments used in previous AwsRequest(s)."
            )
            raise Refusal("IdempotentParameterMismatch", message)
        return answer

    def keep_answer(self, call: Call, answer: Response) -> None:
        """Remember the answer to a call that succeeded; one that was refused may be tried again."""
        if (token := call.params.get("ClientToken")) is not None and answer.status_code == 200:
            with self._lock:
                self._answers[call.region, call.action, token] = (_digest(call), answer)


def _digest(call: Call) -> str:
    params = {key: value for key, value in call.params.items() if key not in INCIDENTAL}
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
