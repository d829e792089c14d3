"""How a running search looks: a live table in a terminal, one plain line a finished trial in a pipe.

Both are listeners of the conductor. They are called in the search's own thread, so the terminal's picture is
composed there and only repainted by rich's thread.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.execution.conductor import Conductor
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
    waiting = Text("starting the first gang (imports of torch and DeepSpeed take some seconds) ...")
    with Live(waiting, console=console, refresh_per_second=REFRESH_PER_S) as live:
        yield lambda conductor: live.update(picture(conductor))


class PlainLines:
    """One line for each trial that ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[int] = set()

    def __call__(self, conductor: Conductor) -> None:
        for row in conductor.rows.values():
            if row.state.is_finished() and row.number not in self._shown:
                self._shown.add(row.number)
                self._console.print(plain_line(conductor, row), highlight=False, soft_wrap=True, markup=False)


def plain_line(conductor: Conductor, row: TrialRow) -> str:
    metric = conductor.objective.metric
    best = conductor.best()
    return (
        f"trial {row.number} {row.state.value} {metric}={number(row.best.get(metric))} "
        f"reports={row.reports} seconds={number(row.seconds, 3)} "
        f"best={number(best.best[metric] if best else None)} "
        f"finished={_num_finished(conductor)}/{conductor.experiment.search.trials}: {row.reason}"
    )


def picture(conductor: Conductor) -> Group:
    """Trials by state, best so far, running curves' last values, time left."""
    return Group(_bar(conductor), _states(conductor), _best(conductor), _running(conductor))


def time_left_s(conductor: Conductor, now_s: float) -> float | None:
    """Seconds left if trials go on ending as fast as they did; None before the first has ended."""
    finished = _num_finished(conductor)
    if finished == 0:
        return None
    spent = now_s - conductor.started_at_s
    return spent / finished * (conductor.experiment.search.trials - finished)


def number(value: float | None, digits: int = 4) -> str:
    """A short number; `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}g}"


def params_text(params: dict[str, Any]) -> str:
    """Parameters in one line, without the section's name in front."""
    return ", ".join(
        f"{name.split('.', 1)[-1]}={number(value) if isinstance(value, float) else value}"
        for name, value in params.items()
    )


def _bar(conductor: Conductor) -> Table:
    now = time.time()
    total, finished = conductor.experiment.search.trials, _num_finished(conductor)
    left = time_left_s(conductor, now)
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        Text(conductor.experiment.name, style="bold"),
        ProgressBar(total=total, completed=finished, width=30),
        f"{finished}/{total} trials",
        f"{_clock(now - conductor.started_at_s)} spent",
        f"about {_clock(left)} left" if left is not None else "time left: after the first trial",
    )
    return grid


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


def _running(conductor: Conductor) -> Table:
    metric = conductor.objective.metric
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("running", "report", metric, "train/loss", "parameters"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    running = [row for row in conductor.rows.values() if row.state is TrialState.RUNNING]
    of = conductor.experiment.max_reports
    for row in running[:NUM_RUNNING_SHOWN]:
        table.add_row(
            f"trial {row.number}",
            f"{row.reports}/{of}" if of else str(row.reports),
            number(row.last.get(metric)),
            number(row.last.get("train/loss")),
            params_text(row.params),
        )
    if len(running) > NUM_RUNNING_SHOWN:
        table.add_row(f"and {len(running) - NUM_RUNNING_SHOWN} more")
    return table


def _num_finished(conductor: Conductor) -> int:
    return sum(row.state.is_finished() for row in conductor.rows.values())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
