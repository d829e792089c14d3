"""How long each trial has held a gang, lap by lap."""

from collections.abc import Callable


class Stopwatch:
    """One watch a trial, by its number. `clock`: seconds; a test passes a made-up one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s: dict[int, float] = {}

    def start(self, number: int) -> None:
        self._since_s[number] = self._clock()

    def seconds(self, number: int) -> float:
        """Since the start or the last lap; 0 while it stands still."""
        now_s = self._clock()
        return now_s - self._since_s.get(number, now_s)

    def lap(self, number: int) -> float:
        """As `seconds`; the next lap begins."""
        seconds = self.seconds(number)
        if number in self._since_s:
            self.start(number)
        return seconds

    def stop(self, number: int) -> float:
        """The last lap; no matter if it stands still already."""
        seconds = self.seconds(number)
        self._since_s.pop(number, None)
        return seconds
