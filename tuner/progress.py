"""How a running search looks: a live table in a terminal, one plain line a finished trial in a pipe.

Both are listeners of the conductor. They are called in the search's own thread, so the terminal's picture is
composed there; rich's thread only repaints it, and so keeps the clocks going between two reports.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.execution.conductor import Conductor
from tuner.execution.confirmation import num_planned
from tuner.records.rows import TrialRow
from tuner.records.states import TrialState

COLOURS = {
    TrialState.QUEUED: "dim",
    TrialState.RUNNING: "cyan",
    TrialState.PAUSED: "blue",
    TrialState.COMPLETE: "green",
    TrialState.STOPPED: "yellow",
    TrialState.DIVERGED: "magenta",
    TrialState.INFEASIBLE: "magenta",
    TrialState.FAILED: "red",
}
NUM_RUNNING_SHOWN = 8
REFRESH_PER_S = 4


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Conductor], None]]:
    """A listener that shows the search on `console` for as long as the block lasts."""
    if not console.is_terminal:
        yield PlainLines(console)
        return
    began_s = time.time()
    waiting = Clock(lambda now_s: f"preparing the data and starting Ray ... {clock(now_s - began_s)}")
    # Transient: at the end the picture gives way to the summary, or to the error's one sentence.
    with Live(waiting, console=console, refresh_per_second=REFRESH_PER_S, transient=True) as live:
        yield lambda conductor: live.update(picture(conductor))


@dataclass(frozen=True)
class Clock:
    """A text with the time in it, composed anew at each repaint."""

    text: Callable[[float], str]
    """From seconds since 1970."""

    def __rich__(self) -> Text:
        return Text(self.text(time.time()))


class PlainLines:
    """One line for each trial that ended; those that an earlier run of the search ended were shown by it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[int] | None = None
        self._waits_for: list[int] = []

    def __call__(self, conductor: Conductor) -> None:
        if self._shown is None:
            self._shown = {row.number for row in conductor.rows.values() if row.state.is_finished()}
        for row in conductor.rows.values():
            if row.state.is_finished() and row.number not in self._shown:
                self._shown.add(row.number)
                self._print(plain_line(conductor, row))
        if conductor.waits_for and conductor.waits_for != self._waits_for:
            self._print(waiting_line(conductor))
        self._waits_for = conductor.waits_for

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)


def plain_line(conductor: Conductor, row: TrialRow) -> str:
    metric = conductor.objective.metric
    best = conductor.best()
    again = "" if row.confirms is None else f" (trial {row.confirms} again)"
    return (
        f"trial {row.number}{again} {row.state.value} {metric}={number(row.best.get(metric))} "
        f"reports={row.reports} seconds={number(row.seconds, 3)} "
        f"best={number(best.best[metric] if best else None)} "
        f"finished={_num_finished(conductor)}/{_num_planned(conductor)}: {row.reason}"
    )


def waiting_line(conductor: Conductor) -> str:
    numbers = ", ".join(map(str, conductor.waits_for))
    return (
        f"waiting: nothing is left to do but what somebody has paused (trial {numbers}); go on with it by: "
        f"tuner unpause {conductor.paths.root} --trial {conductor.waits_for[0]}"
    )


def picture(conductor: Conductor) -> Group:
    """Trials by state, best so far, running curves' last values, time left."""
    waiting = [Text(waiting_line(conductor), style="yellow")] if conductor.waits_for else []
    return Group(_bar(conductor), _states(conductor), _best(conductor), _running(conductor), *waiting)


def time_left_s(conductor: Conductor) -> float | None:
    """Seconds left if what comes takes as long as what ended; None before the first trial has ended.

    Counted from the trials' own seconds, so that the start of the first gang does not count again and again.
    Fresh runs are measured by the trials that trained to their end.
    """
    ended = [row for row in conductor.rows.values() if row.state.is_finished()]
    if not ended:
        return None
    running = [row for row in conductor.rows.values() if not row.state.is_finished()]
    num_again = sum(row.confirms is not None for row in ended)
    mean_s = _mean_s([row for row in ended if row.confirms is None])
    full_s = _mean_s([row for row in ended if row.state is TrialState.COMPLETE] or ended)
    rest_s = mean_s * (conductor.experiment.search.trials - len(ended) + num_again)
    rest_s += full_s * (num_planned(conductor.experiment) - num_again)
    done_s = sum(min(row.seconds or 0.0, mean_s if row.confirms is None else full_s) for row in running)
    return (rest_s - done_s) / max(1, len(running))


def _mean_s(rows: list[TrialRow]) -> float:
    return sum(row.seconds or 0.0 for row in rows) / len(rows)


def number(value: float | None, digits: int = 4) -> str:
    """A short number; `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def params_text(params: dict[str, Any]) -> str:
    """Parameters in one line, without the section's name in front."""
    return ", ".join(
        f"{name.split('.', 1)[-1]}={number(value) if isinstance(value, float) else value}"
        for name, value in params.items()
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, as 2:05; with hours in front where there are any."""
    minutes, rest = divmod(math.ceil(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _bar(conductor: Conductor) -> Table:
    total, finished = _num_planned(conductor), _num_finished(conductor)
    began_s = time.time() - conductor.spent_s
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        Text(conductor.experiment.name, style="bold"),
        ProgressBar(total=total, completed=finished, width=30),
        f"{finished}/{total} trials",
        Clock(lambda now_s: f"{clock(now_s - began_s)} spent"),
        _left(conductor),
    )
    return grid


def _left(conductor: Conductor) -> RenderableType:
    left_s = time_left_s(conductor)
    if left_s is None:
        return "time left not known yet"
    end_s = time.time() + left_s
    return Clock(lambda now_s: f"about {clock(end_s - now_s)} left")


def _states(conductor: Conductor) -> Text:
    text = Text()
    for state in TrialState:
        count = sum(row.state is state for row in conductor.rows.values())
        if count:
            text.append(f"{state.value} {count}  ", style=COLOURS[state])
    return text


def _best(conductor: Conductor) -> Text:
    best = conductor.best()
    if best is None:
        return Text("best: none yet", style="dim")
    metric = conductor.objective.metric
    return Text.assemble(
        (f"best {metric} {number(best.best[metric])}", "bold green"),
        f"  trial {best.number}: {params_text(best.params)}",
    )


def _running(conductor: Conductor) -> RenderableType:
    rows = conductor.rows.values()
    if not any(row.reports or row.state.is_finished() for row in rows):
        return Text("the first gang imports torch and DeepSpeed, then trains to its first report", "dim")
    metrics = [conductor.objective.metric]
    if "train/loss" not in metrics and any("train/loss" in row.last for row in rows):
        metrics.append("train/loss")
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("running", "report", *metrics):
        table.add_column(column, no_wrap=True)
    # The only column that may wrap is the one that rich makes narrow; its text then is cut, not wrapped.
    table.add_column("parameters")
    running = [row for row in rows if row.state is TrialState.RUNNING]
    for row in running[:NUM_RUNNING_SHOWN]:
        values = [number(row.last.get(metric)) for metric in metrics]
        table.add_row(
            f"trial {row.number}" if row.confirms is None else f"trial {row.confirms} again",
            _reports(conductor, row),
            *values,
            Text(params_text(row.params), no_wrap=True, overflow="ellipsis"),
        )
    if len(running) > NUM_RUNNING_SHOWN:
        table.add_row(f"and {len(running) - NUM_RUNNING_SHOWN} more")
    return table


def _reports(conductor: Conductor, row: TrialRow) -> str:
    of = conductor.experiment.max_reports
    return f"{row.reports}/{of}" if of else str(row.reports)


def _num_planned(conductor: Conductor) -> int:
    return conductor.experiment.search.trials + num_planned(conductor.experiment)


def _num_finished(conductor: Conductor) -> int:
    return sum(row.state.is_finished() for row in conductor.rows.values())
