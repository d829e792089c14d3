"""The process that a dashboard asks: one request a line, one answer a line, both JSON, until its input ends.

    {"what": "data", "folder": "results/digits"}         -> {"result": the report of the data}
    {"what": "model", "folder": ...}                     -> {"result": the report of the best model}
    {"what": "predict", "folder": ..., "texts": [...]}   -> {"result": predictions}; or "row", or "file"
    ... where it cannot be told                          -> {"error": a sentence}

A request has `limit_s` too. The process ends where an answer takes longer, and as soon as its input ends,
also in the middle of an answer. It takes at most half of the memory, less where less is free, is the first to
go where memory runs out, gives way to processes that train, and keeps the last model.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tuner.errors import TunerError
from tuner.inspection.answers import Answers
from tuner.inspection.cgroups import cgroup_limits
from tuner.training.memory import is_out_of_memory

_NICE = 10
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_GRACE_S = 5.0
"""After its limit; who asks may end it before, and say why."""


def main() -> None:
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(_NICE)
    _limit_memory()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    answering = Answers()
    while True:
        request = json.loads(lines.get())
        signal.setitimer(signal.ITIMER_REAL, request["limit_s"] + _GRACE_S)  # SIGALRM ends the process.
        answered = answer(answering, request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(answered), file=answers, flush=True)


def answer(answering: Answers, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": answering.to(request)}
    except TunerError as error:
        return {"error": str(error)}
    except Exception as error:
        # A model from anywhere may fail in any way, and the next request shall be answered.
        if is_out_of_memory(error):
            needs = "more than half of this machine's memory, or than is free"
            return {"error": f"looking at it needs {needs}; look elsewhere."}
        traceback.print_exc()
        found = f"{type(error).__name__}: {error}"
        return {"error": f"looking at it failed ({found}); the terminal of the dashboard says where."}


def _read(lines: queue.SimpleQueue[str]) -> None:
    """In a thread, which sees the end of the input while an answer is made."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _limit_memory() -> None:
    """More memory is then an error of one request, and does not end the processes of others."""
    with suppress(OSError):
        _OOM_SCORE.write_text("1000")
    memory = psutil.virtual_memory()
    most = min(memory.total // 2, *(limit // 2 for limit in cgroup_limits()), memory.available)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
