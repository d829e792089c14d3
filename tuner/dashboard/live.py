"""What changes in an experiment, as server-sent events, as long as somebody listens.

    async for text in events(name, reading, tags=["val/loss"], version=None, tick=tick): ...

    event: trials    {columns, data}: the rows that changed
    event: curves    {tag: {trial: {from_step, step, time_s, value}}}: the trial's points from that step on;
                     null: all
    event: state     the experiment's line in the overview
    id:              the version after it; with it in Last-Event-ID (or `since`) only what came later is sent

The folder is looked at once a tick, however many listen. HTML: https://html.spec.whatwg.org/#server-sent-events
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from starlette.concurrency import run_in_threadpool

from tuner.dashboard import answers
from tuner.dashboard.reading import News, Reading

Tick = Callable[[], Awaitable[None]]
"""Waits until it is time to look again."""
SILENT_TICKS = 15
"""After so many a comment is sent, so that whoever left is noticed."""
_AGES = ("event_age_s",)
"""What changes by itself is no news."""


async def events(
    name: str, reading: Reading, tags: Sequence[str], version: str | None, tick: Tick
) -> AsyncIterator[str]:
    """The events since `version`, and then those to come; without end."""
    teller = Teller(name, reading, tags, version)
    num_silent = 0
    while True:
        text = await run_in_threadpool(teller.tell)
        num_silent = 0 if text else num_silent + 1
        if text or num_silent % SILENT_TICKS == 0:
            yield text or ": still here\n\n"
        await tick()


class Teller:
    """Tells one listener what is new for it."""

    def __init__(self, name: str, reading: Reading, tags: Sequence[str], version: str | None) -> None:
        self._name, self._reading, self._tags, self._version = name, reading, tags, version
        self._state: dict[str, Any] | None = None

    def tell(self) -> str:
        """The events since the last call; nothing where nothing happened."""
        state = answers.summary(self._name, self._reading)
        if state["state"] == "unreadable":
            return _event("state", state) if self._is_new(state) else ""
        with self._reading.now(curves=bool(self._tags)) as now:
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

    def _news(self, now: Reading, news: News) -> Iterator[tuple[str, Any]]:
        numbers = sorted(now.rows if news.is_all else news.trials)
        if numbers:
            yield "trials", answers.trials([now.rows[number] for number in numbers])
        curves = _curves(now, news, self._tags) if self._tags else {}
        if curves:
            yield "curves", curves

    def _is_new(self, state: Mapping[str, Any]) -> bool:
        before, self._state = self._state, {key: state[key] for key in state if key not in _AGES}
        return self._state != before


def _curves(now: Reading, news: News, tags: Sequence[str]) -> dict[str, dict[str, Any]]:
    curves = now.curves[now.curves["tag"].isin(tags)]
    if news.is_all:
        return _told(curves, None)
    first = _first_steps(news, tags)
    keys = pd.MultiIndex.from_frame(curves[["trial", "tag"]].astype({"tag": "str"}))
    from_step = first.reindex(keys).to_numpy()
    return _told(curves[curves["step"].to_numpy() >= from_step], first)


def _first_steps(news: News, tags: Sequence[str]) -> "pd.Series[float]":
    """(trial, tag) -> the step from which on its points are new."""
    points = [changes.curves[["trial", "tag", "step"]].astype({"tag": "str"}) for changes in news.curves]
    cuts = [(trial, tag, step) for changes in news.curves for (trial, tag), step in changes.cut.items()]
    every = pd.concat([*points, pd.DataFrame(cuts, columns=["trial", "tag", "step"])])
    found: pd.Series[float] = every[every["tag"].isin(tags)].groupby(["trial", "tag"])["step"].min()
    return found


def _told(points: pd.DataFrame, first: "pd.Series[float] | None") -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    for (trial, tag), part in points.groupby(["trial", "tag"], observed=True):
        told.setdefault(str(tag), {})[str(trial)] = {
            "from_step": None if first is None else int(first.loc[trial, tag]),  # type: ignore[index]
            "step": part["step"].tolist(),
            "time_s": part["wall_time_s"].tolist(),
            "value": answers.plain(part["value"].tolist()),
        }
    return told


def _event(kind: str, data: Any, version: str | None = None) -> str:
    """JSON has no line breaks of its own."""
    lines = [f"id: {version}"] if version else []
    return "\n".join([*lines, f"event: {kind}", f"data: {json.dumps(data, allow_nan=False)}", "", ""])
