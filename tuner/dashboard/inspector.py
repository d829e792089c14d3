"""The process that looks at data and models for the dashboard, which itself loads no torch.

    inspector.ask({"what": "model", "folder": ...}, limit_s=600)

It is started when it is first asked, answers one after another (`python -m tuner.inspection`), and stays warm
for some minutes. It ends when the dashboard does, however that ends, also in the middle of a look: it sees
the end of its input.
"""

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner import errors
from tuner.errors import ResultsError

COMMAND = (sys.executable, "-m", "tuner.inspection")
WARM_S = 300.0
MOST_ASKING = 4
"""Threads at once, the one that is answered among them: the others of the server answer other requests."""
_GRACE_S = 5.0
_POLL_S = 0.1
"""So often a look asks whether the dashboard ends."""
_READ_BYTES = 1 << 16


class Inspector:
    """A few threads may ask at once; they wait for each other.

    Args:
        warm_s: so long after its last answer the process ends.
        is_ending: whether nobody waits for answers any more.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        warm_s: float = WARM_S,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._command, self._warm_s, self._is_ending = command, warm_s, is_ending
        self._is_closed = False
        self._places = threading.BoundedSemaphore(MOST_ASKING)
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def ask(self, request: Mapping[str, Any], limit_s: float) -> Any:
        """What it answers.

        Raises:
            ResultsError: it cannot tell, takes longer than `limit_s`, or has ended meanwhile; too many ask.
        """
        if not self._places.acquire(blocking=False):
            raise ResultsError(
                f"at most {MOST_ASKING} looks at data and models may wait at once, but one more is asked "
                "for; try again later"
            )
        try:
            return self._ask(request, limit_s)
        finally:
            self._places.release()

    def _ask(self, request: Mapping[str, Any], limit_s: float) -> Any:
        """When it is its turn."""
        if not self._turn.acquire(timeout=limit_s):
            raise ResultsError(
                f"data and models are looked at one after another, but another look takes longer than "
                f"{limit_s:g} s; try again"
            )
        try:
            self._check_goes_on()
            self._keep_warm()
            answer = self._answer(request, limit_s)
        finally:
            self._cool_down()
            self._turn.release()
        if "error" in answer:
            raise ResultsError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Ends the process, if there is one, also in the middle of a look."""
        self._is_closed = True
        with self._turn:
            self._keep_warm()
            self._end()

    def _answer(self, request: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({**request, "limit_s": limit_s}).encode() + b"\n")
            process.stdin.flush()
            line = _line(process, limit_s, self._has_to_end)
        except BrokenPipeError:
            line = b""
        if line is None:
            self._kill()
            self._check_goes_on()
            raise ResultsError(
                f"a look at data or a model may take {limit_s:g} s, but this one takes longer; "
                "try it with fewer rows, or on a faster machine"
            )
        if not line.endswith(b"\n"):
            self._kill()
            raise ResultsError(
                f"the process that looks at data and models must answer, but it has ended "
                f"(status {process.returncode}); the terminal of the dashboard says why, where it is known"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _has_to_end(self) -> bool:
        return self._is_closed or self._is_ending()

    def _check_goes_on(self) -> None:
        if self._has_to_end():
            raise ResultsError(
                "data and models are looked at while the dashboard runs, but it ends; start it again"
            )

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the dashboard.
                env=_environment(),
            )
        return self._process

    def _keep_warm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _cool_down(self) -> None:
        self._timer = threading.Timer(self._warm_s, self._end_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_if_idle(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._turn.release()

    def _end(self) -> None:
        """By the end of its input; by force where that is not enough."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def _environment() -> dict[str, str]:
    """In which `tuner` is the one that runs here, and no module is one of the working folder.

    Nothing of the Hub is fetched: what is looked at may be a stranger's.
    """
    paths = [str(Path(errors.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", "HF_HUB_OFFLINE": "1"}


def _line(process: "subprocess.Popen[bytes]", limit_s: float, has_to_end: Callable[[], bool]) -> bytes | None:
    """What it writes up to the end of a line, or up to its end; None: it takes longer, or has to end."""
    assert process.stdout is not None
    deadline, parts = time.monotonic() + limit_s, [b""]
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not parts[-1].endswith(b"\n"):
            left_s = deadline - time.monotonic()
            if not selector.select(max(0.0, min(left_s, _POLL_S))):
                if left_s <= 0 or has_to_end():
                    return None
                continue
            parts.append(os.read(process.stdout.fileno(), _READ_BYTES))
            if not parts[-1]:
                break
    return b"".join(parts)
