"""How long each trial has held a gang; it stands still while the trial is paused."""

from collections.abc import Callable


class Stopwatch:
    """One watch a trial, by its number. `clock`: seconds; a test passes a made-up one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s: dict[int, float] = {}
        self._before_s: dict[int, float] = {}

    def start(self, number: int) -> None:
        self._since_s[number] = self._clock()

    def stop(self, number: int) -> None:
        """No matter if it stands still already."""
        self._before_s[number] = self.seconds(number)
        self._since_s.pop(number, None)

    def seconds(self, number: int) -> float:
        now_s = self._clock()
        return self._before_s.get(number, 0.0) + now_s - self._since_s.get(number, now_s)
