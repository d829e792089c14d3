"""A search that only answers: it holds a folder as one that runs, and says to commands what it is told to.

with AnsweringSearch(paths, {"stop": (True, "it stops at its next new report")}) as search:
    ...
search.asked
"""

import threading
from collections.abc import Mapping
from types import TracebackType

from tuner.execution.decisions import DecisionLog
from tuner.records.commands import Command, Inbox
from tuner.records.lock import hold
from tuner.records.paths import ExperimentPaths

POLL_S = 0.01


class AnsweringSearch:
    """`answers`: command's name -> whether it is done, and the reason; without one it says nothing."""

    def __init__(self, paths: ExperimentPaths, answers: Mapping[str, tuple[bool, str]]) -> None:
        self.asked: list[Command] = []
        self._paths, self.answers = paths, answers
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "AnsweringSearch":
        self._lock = hold(self._paths.lock, rule="", fix="")
        self._log = DecisionLog(self._paths.decisions)
        self._inbox = Inbox(self._paths.commands)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        self._log.close()
        self._lock.release()

    def _run(self) -> None:
        while not self._ends.wait(POLL_S):
            for command in self._inbox.new():
                self.asked.append(command)
                if command.name in self.answers:
                    self._answer(command, *self.answers[command.name])

    def _answer(self, command: Command, is_done: bool, reason: str) -> None:
        common = {"spent_s": 0.0, "action": "COMMAND", "trial": command.trial, "report": None}
        said = {"name": command.name, "key": command.key, "is_done": is_done, "reason": reason}
        self._log.write(common | said | {"params": command.params})
