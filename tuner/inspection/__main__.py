"""The process that a dashboard asks: one request a line, one answer a line, both JSON, until its input ends.

    {"what": "data", "folder": "results/digits"}         -> {"result": the report of the data}
    {"what": "model", "folder": ...}                     -> {"result": the report of the best model}
    {"what": "predict", "folder": ..., "texts": [...]}   -> {"result": predictions}; or "row", or "file"
    ... where it cannot be told                          -> {"error": a sentence}

It may take half of the machine's memory, gives way to processes that train, and keeps the last model.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from typing import Any

from tuner.errors import TunerError
from tuner.inspection.answers import Answers
from tuner.training.memory import is_out_of_memory

_NICE = 10


def main() -> None:
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.nice(_NICE)
    _limit_memory()
    answering = Answers()
    for line in sys.stdin:
        print(json.dumps(answer(answering, json.loads(line))), file=answers, flush=True)


def answer(answering: Answers, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": answering.to(request)}
    except TunerError as error:
        return {"error": str(error)}
    except Exception as error:
        # A model from anywhere may fail in any way, and the next request shall be answered.
        if is_out_of_memory(error):
            return {"error": "looking at it needs more than half of this machine's memory; look elsewhere."}
        traceback.print_exc()
        found = f"{type(error).__name__}: {error}"
        return {"error": f"looking at it failed ({found}); the terminal of the dashboard says where."}


def _limit_memory() -> None:
    """More memory is then an error of one request, and does not end the processes of others."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
