"""What changes in an experiment, as server-sent events, as long as somebody listens.

    async for text in events(followed, tags=["val/loss"], version=None, tick=tick): ...

    event: trials    {columns, data}: the rows that changed
    event: curves    {tag: {trial: {from_step, step, time_s, value, min, max}}}: the trial's points from that
                     step on; null: all; min and max are over all its finite ones
    event: state     the experiment's line in the overview
    id:              the version after it; with it in Last-Event-ID (or `since`) only what came later is sent

The folder is looked at once a tick, however many listen. HTML: https://html.spec.whatwg.org/#server-sent-events
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool

from tuner.dashboard.following import Followed, News
from tuner.dashboard.tables import plain
from tuner.records.event_reader import Points

Tick = Callable[[], Awaitable[bool]]
"""Waits until it is time to look again; False: nobody will, the server ends."""
SILENT_TICKS = 15
"""After so many a comment is sent, so that whoever left is noticed."""
NO_EXTREMES = {"min": None, "max": None}
_AGES = ("event_age_s",)
"""What changes by itself is no news."""


async def events(
    followed: Followed, tags: Sequence[str], version: str | None, tick: Tick
) -> AsyncIterator[str]:
    """The events since `version`, and then those to come, until the server ends."""
    teller = Teller(followed, tags, version)
    num_silent, goes_on = 0, True
    while goes_on:
        text = await run_in_threadpool(teller.tell)
        num_silent = 0 if text else num_silent + 1
        if text or num_silent % SILENT_TICKS == 0:
            yield text or ": still here\n\n"
        goes_on = await tick()


class Teller:
    """Tells one listener what is new for it."""

    def __init__(self, followed: Followed, tags: Sequence[str], version: str | None) -> None:
        self._followed, self._tags, self._version = followed, tags, version
        self._state: dict[str, Any] | None = None

    def tell(self) -> str:
        """The events since the last call; nothing where nothing happened."""
        state = self._followed.line()
        if state["state"] == "unreadable":
            return _event("state", state) if self._is_new(state) else ""
        with self._followed.now(curves=bool(self._tags)) as now:
            news = now.since(self._version)
            parts = list(self._news(now, news))
        if self._is_new(state):
            parts.append(("state", state))
        self._version = news.version
        # Only the last one brings the version: whoever is cut off in between hears all of them again.
        return "".join(
            _event(kind, data, news.version if number == len(parts) else None)
            for number, (kind, data) in enumerate(parts, start=1)
        )

    def _news(self, now: Followed, news: News) -> Iterator[tuple[str, Any]]:
        numbers = sorted(now.numbers if news.is_all else news.trials)
        if numbers:
            yield "trials", now.trials(numbers)
        curves = changed_curves(now, news, self._tags) if self._tags else {}
        if curves:
            yield "curves", curves

    def _is_new(self, state: Mapping[str, Any]) -> bool:
        before, self._state = self._state, {key: state[key] for key in state if key not in _AGES}
        return self._state != before


def changed_curves(now: Followed, news: News, tags: Sequence[str]) -> dict[str, dict[str, Any]]:
    """tag -> trial -> its points from where on they are new; none where those that there were are gone."""
    told: dict[str, dict[str, Any]] = {}
    for tag in tags:
        first = _first_steps(news, tag)
        numbers = now.numbers if news.is_all else sorted(first)
        points = {number: now.curves.of_trial(number, tag) for number in numbers}
        of_tag = {
            str(number): _told(each, first.get(number))
            for number, each in points.items()
            if len(each) or number in first
        }
        if of_tag:
            told[tag] = of_tag
    return told


def _first_steps(news: News, tag: str) -> dict[int, int]:
    """Trial to the step from which on its points are new."""
    first: dict[int, int] = {}
    for changes in news.curves:
        for number, step in changes.first_steps(tag).items():
            first[number] = min(step, first.get(number, step))
    return first


def _told(points: Points, from_step: int | None) -> dict[str, Any]:
    finite = points.value[np.isfinite(points.value)]
    extremes = {"min": float(finite.min()), "max": float(finite.max())} if len(finite) else NO_EXTREMES
    if from_step is not None:
        points = points.at(points.step >= from_step)
    return {
        "from_step": from_step,
        "step": points.step.tolist(),
        "time_s": points.wall_time.tolist(),
        "value": plain(points.value.tolist()),
        **extremes,
    }


def _event(kind: str, data: Any, version: str | None = None) -> str:
    """JSON has no line breaks of its own."""
    lines = [f"id: {version}"] if version else []
    return "\n".join([*lines, f"event: {kind}", f"data: {json.dumps(data, allow_nan=False)}", "", ""])
