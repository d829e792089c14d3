"""A search that nobody trained: made-up curves through real schedulers, judge, state and writers.

    folder = MadeFolder(paths, experiment, begin_s=time.time())
    for line in MadeSearch(experiment, num_gangs=8).lines():    # `decisions.jsonl`, on a virtual clock
        folder.take(line)          # the line and its events, as a real search leaves them
    folder.close()                 # trials.csv and the study

Half of the trials are judged by the stopping ASHA, the others by the promoting one, so that a search under
way has trials in all states. Of each 25 trials two lose their processes once and begin again at their last
report but one, one fails, one does not fit into memory; where the learning rate is high they diverge.
"""

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import count
from typing import Any

import optuna

from tuner.execution.conductor import new_state
from tuner.execution.confirmation import due
from tuner.execution.decisions import DecisionLog
from tuner.execution.verdicts import Judge
from tuner.records.confirmation import note
from tuner.records.environment import environment
from tuner.records.events import EventWriter
from tuner.records.files import atomic_write, atomic_write_json
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, search_rows, write_trials
from tuner.records.states import TrialState
from tuner.search.asha import Asha
from tuner.search.distributions import distribution, position_of, value_at
from tuner.search.history import REASON, STATE
from tuner.search.none import NoStopping
from tuner.search.promotion import AshaPromotion
from tuner.search.scheduler import Action, Decision, Resume
from tuner.search.storage import open_storage, open_study
from tuner.spec import Choice, Experiment
from tuner.training.report import Objective, Report

Line = dict[str, Any]

RANKS, GPUS = 2, 8
STEPS_A_REPORT = 39
PARAMETERS = 48_234
CYCLE, LOST, FAILED, TOO_LARGE = 25, (3, 13), 5, 11
"""Of each so many trials, those with these numbers."""
DIVERGES_FROM = 0.93
"""Of a learning rate's range."""
_TOLD = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.INFEASIBLE: optuna.trial.TrialState.PRUNED,
    TrialState.DIVERGED: optuna.trial.TrialState.FAIL,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class Problem:
    """How good a configuration of the experiment is: the nearer to a random place in the space the better."""

    def __init__(self, experiment: Experiment, seed: int) -> None:
        self._domains = {parameter.name: parameter.domain for parameter in experiment.space.parameters}
        self._places = {name: random.Random(f"{seed}/{name}").uniform(0.3, 0.7) for name in self._domains}

    def metrics(self, params: Mapping[str, Any], seed: int, report: int) -> dict[str, float]:
        """Of one report; all NaN where the learning rate is too high."""
        draw = random.Random(f"{seed}/{report}")
        off = self._off(params)
        final = 0.99 - 0.6 * off
        accuracy = final - (final - 0.1) * (1 + 0.8 * report) ** -1.1 + draw.gauss(0, 0.01)
        loss = 2.5 * (1 - accuracy) ** 1.3 if accuracy < 1 else 0.0
        if self._diverges(params) and report > seed % 3:
            accuracy = loss = math.nan
        rate = next((value for name, value in params.items() if name.endswith(".lr")), 0.001)
        return {
            "train/loss": loss * draw.uniform(0.7, 0.9),
            "train/lr": rate * (1 + math.cos(math.pi * min(report / 30, 1))) / 2,
            "train/grad_norm": draw.lognormvariate(-1, 0.3),
            "train/samples_per_s": draw.uniform(9e3, 1e4),
            "train/step_seconds": draw.uniform(0.004, 0.006),
            "model/parameters": float(PARAMETERS),
            "system/peak_memory_bytes": draw.uniform(6.0e8, 6.3e8),
            "val/loss": loss,
            "val/accuracy": min(accuracy, 1.0),
            "val/f1": min(accuracy * draw.uniform(0.97, 1.0), 1.0),
        }

    def _diverges(self, params: Mapping[str, Any]) -> bool:
        rates = (position for name, position in self._positions(params) if name.endswith(".lr"))
        return any(position > DIVERGES_FROM for position in rates)

    def _off(self, params: Mapping[str, Any]) -> float:
        """From 0 to 1."""
        offs = [abs(position - self._places[name]) for name, position in self._positions(params)]
        return math.sqrt(sum(off**2 for off in offs) / len(offs)) if offs else 0.0

    def _positions(self, params: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        for name, value in params.items():
            domain = self._domains[name]
            if isinstance(domain, Choice):
                yield name, domain.labels.index(value) / len(domain.labels)
            else:
                yield name, position_of(domain, value)


class Mixed:
    """Trials with even numbers are judged by one scheduler, the others by another one."""

    def __init__(self, max_reports: int, mode: Any) -> None:
        self._promoting = AshaPromotion(mode=mode, max_reports=max_reports)
        self._stopping = Asha(mode=mode, max_reports=max_reports)

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        self._of(number).on_start(number, params)

    def on_report(self, number: int, step: int, value: float) -> Decision:
        return self._of(number).on_report(number, step, value)

    def on_finish(self, number: int) -> None:
        self._of(number).on_finish(number)

    def resume(self, *, is_last: bool) -> Resume | None:
        return self._promoting.resume(is_last=is_last)

    def _of(self, number: int) -> Any:
        return self._stopping if number % 2 else self._promoting


class MadeSearch:
    """All that happens in a search and its confirmation, in the order of virtual time.

    Args:
        is_full: no trial is cut.
    """

    def __init__(
        self, experiment: Experiment, *, num_gangs: int, seed: int = 0, is_full: bool = False
    ) -> None:
        search = experiment.search
        assert experiment.max_reports is not None
        assert search.mode is not None
        self._experiment, self._search, self._most = experiment, search, experiment.max_reports
        self._objective = Objective(search.metric, search.mode)
        self._state = new_state(experiment)
        self._scheduler: Any = NoStopping() if is_full else Mixed(self._most, search.mode)
        self._judge = Judge(search, self._objective, self._scheduler, self._state)
        self._problem = Problem(experiment, seed)
        self._seed, self._draw = seed, random.Random(seed)
        self._now_s, self._order = 0.0, count()
        self._events: list[tuple[float, int, int, int]] = []
        """time, order, gang, trial"""
        self._free = list(range(num_gangs))
        self._faults: dict[int, list[int]] = {}
        """trial -> the reports at which it loses its processes"""

    def lines(self) -> Iterator[Line]:
        yield self._line("OPEN", None, pid=1, host="node0")
        while True:
            yield from self._give_work()
            if not self._events:
                return
            self._now_s, _, gang, number = heapq.heappop(self._events)
            yield from self._go_on(gang, number)

    def _give_work(self) -> Iterator[Line]:
        while self._free:
            number = yield from self._next()
            if number is None:
                return
            if number not in self._state.started and self._state.rows[number].confirms is None:
                self._scheduler.on_start(number, self._state.rows[number].params)
            gang = self._free.pop(0)
            yield self._line("START", number, gang=gang)
            self._push(gang, number)

    def _next(self) -> Iterator[Any]:
        if self._state.interrupted:
            return min(self._state.interrupted)
        if self._state.is_over:
            return (yield from self._fresh())
        is_spent = self._state.num_suggested >= self._search.trials
        resume = self._scheduler.resume(is_last=is_spent)
        if resume is not None:
            report = self._state.rows[resume.number].reports
            yield self._line("RESUME", resume.number, report=report, reason=resume.reason)
            return resume.number
        if not is_spent:
            return (yield from self._begin())
        if self._events:
            return None
        yield from self._end()
        return (yield from self._fresh())

    def _begin(self, **content: Any) -> Iterator[Any]:
        number = len(self._state.rows)
        params = self._experiment.space.walk(lambda each: value_at(each.domain, self._draw.random()))
        yield self._line("BEGIN", number, **{"params": params, **content})
        if self._kind_of(number) == FAILED:
            self._faults[number] = [number % 2] * (self._experiment.recovery.retries + 1)
        elif self._kind_of(number) in LOST:
            self._faults[number] = [1]
        return number

    def _kind_of(self, number: int) -> int | None:
        return number % CYCLE if self._state.rows[number].confirms is None else None

    def _fresh(self) -> Iterator[Any]:
        run = next(iter(due(self._state.rows.values(), self._experiment)), None)
        if run is None:
            return None
        params = dict(self._state.rows[run.confirms].params)
        return (yield from self._begin(params=params, confirms=run.confirms, seed=run.seed))

    def _end(self) -> Iterator[Line]:
        yield self._line("END", None, reason=None)
        for row in self._state.rows.values():
            if row.state is TrialState.PAUSED:
                reason = f"paused at report {row.reports} and not among those that went on"
                yield self._finish(row.number, TrialState.STOPPED, reason)

    def _go_on(self, gang: int, number: int) -> Iterator[Line]:
        row, faults = self._state.rows[number], self._faults.get(number)
        if self._kind_of(number) == TOO_LARGE:
            reason = "out of memory at micro-batch 1: tried to allocate 2.4 GiB"
            yield self._finish(number, TrialState.INFEASIBLE, reason)
            is_free = True
        elif faults and faults[0] == row.reports:
            faults.pop(0)
            yield self._fault(number)
            is_free = True
        else:
            is_free = yield from self._report(gang, number)
        if is_free:
            self._free.append(gang)
        else:
            self._push(gang, number)

    def _fault(self, number: int) -> Line:
        reason = "the gang's process ended: rank 1 was killed by signal 9"
        if self._state.num_faults[number] >= self._experiment.recovery.retries:
            return self._finish(number, TrialState.FAILED, reason)
        return self._line("RETRY", number, reason=reason, fault="lost", **self._lap(number, 5.0))

    def _report(self, gang: int, number: int) -> Iterator[Any]:
        """A report, and its pause; whether the gang is free then."""
        row = self._state.rows[number]
        step = row.reports + 1
        first_gpu = gang * RANKS
        seed = self._seed * 1_000_003 + number if row.seed is None else row.seed
        metrics = self._problem.metrics(row.params, seed, step)
        is_last = step == self._most and math.isfinite(metrics[self._search.metric])
        end = {"state": TrialState.COMPLETE, "reason": f"trained {step} epochs"} if is_last else {}
        report = Report(step, metrics, num_steps=step * STEPS_A_REPORT, **end)
        verdict = self._judge.verdict(number, report)
        decision = asdict(verdict.decision)
        content = {
            **{key: decision[key] for key in ("reason", "rung", "value", "cutoff")},
            "metrics": metrics,
            "steps": report.num_steps,
            "nodes": [f"node{first_gpu // GPUS}"],
            "devices": [",".join(str(gpu % GPUS) for gpu in range(first_gpu, first_gpu + RANKS))],
            **self._lap(number, self._report_s(number)),
            **({} if verdict.heard is None else {"heard": verdict.heard}),
            **({} if verdict.end is None else {"state": verdict.end.value}),
        }
        yield self._line(verdict.decision.action.value, number, report=step, **content)
        if verdict.end is not None:
            self._note_end(number)
        if verdict.decision.action is Action.PAUSE:
            yield self._line("SAVED", number, **self._lap(number, 0.0))
        return self._state.rows[number].state is not TrialState.RUNNING

    def _finish(self, number: int, state: TrialState, reason: str) -> Line:
        line = self._line("FINISH", number, state=state.value, reason=reason, **self._lap(number, 0.0))
        self._note_end(number)
        return line

    def _note_end(self, number: int) -> None:
        if self._state.rows[number].confirms is None:
            self._scheduler.on_finish(number)

    def _lap(self, number: int, lap_s: float) -> Line:
        seconds = (self._state.rows[number].seconds or 0.0) + lap_s
        return {"seconds": seconds, "gpu_seconds": RANKS * seconds}

    def _report_s(self, number: int) -> float:
        return 20.0 * random.Random(f"{self._seed}/{number}").uniform(0.5, 2.0)

    def _push(self, gang: int, number: int) -> None:
        due_s = self._now_s + self._report_s(number)
        heapq.heappush(self._events, (due_s, next(self._order), gang, number))

    def _line(self, action: str, number: int | None, *, report: int | None = None, **content: Any) -> Line:
        line = {"spent_s": self._now_s, "action": action, "trial": number, "report": report, **content}
        self._state.apply(line)
        return line


class MadeFolder:
    """Writes the folder of a made search, line by line."""

    def __init__(self, paths: ExperimentPaths, experiment: Experiment, begin_s: float) -> None:
        paths.root.mkdir(parents=True)
        atomic_write(paths.experiment_yaml, experiment.to_yaml())
        atomic_write_json(paths.environment_json, environment())
        self._paths, self._experiment, self._begin_s = paths, experiment, begin_s
        self._log = DecisionLog(paths.decisions)
        self._state = new_state(experiment)
        self._writers: dict[int, EventWriter] = {}
        self._last: dict[int, tuple[int, Mapping[str, float]]] = {}
        """trial -> its last report"""
        self._curves: dict[int, dict[int, float]] = {}

    def take(self, line: Line) -> None:
        """Events are on the disk before the line is, as in a real search."""
        number, time_s = line["trial"], self._begin_s + line["spent_s"]
        if line["action"] == "START":
            self._start(number, time_s)
        elif "metrics" in line:
            self._writers[number].scalars(line["report"], line["metrics"], time_s)
            self._last[number] = line["report"], line["metrics"]
            self._curves.setdefault(number, {})[line["report"]] = line["value"]
        if "state" in line:
            self._end(number, line)
        elif line["action"] in ("SAVED", "RETRY"):
            self._writers.pop(number).close()
        self._log.write({"time_s": time_s, **line})
        self._state.apply(line)

    def write_table(self) -> None:
        """`trials.csv`, as it is at this moment."""
        rows, search, confirm = self._state.rows.values(), self._experiment.search, self._experiment.confirm
        if confirm is not None and any(row.confirms is not None for row in rows):
            assert search.mode is not None
            note(rows, confirm, search.metric, search.mode)
        write_trials(self._paths.trials_csv, list(rows))

    def close(self) -> None:
        """Writes the table and the study."""
        self._log.close()
        self.write_table()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space, search = self._experiment.space, self._experiment.search
        study = open_study(open_storage(self._paths.journal), self._experiment.name, space, search)
        for row in search_rows(self._state.rows.values()):
            study.add_trial(self._frozen(row))

    def _start(self, number: int, time_s: float) -> None:
        trial = self._paths.trial(number)
        params = self._state.rows[number].params
        atomic_write_json(trial.params_json, params)
        if number not in self._last:
            self._writers[number] = EventWriter(trial.root)
            self._writers[number].hparams(params)
            return
        report, metrics = self._last[number]
        self._writers[number] = EventWriter(trial.root, purge_step=report)
        # It goes on from the checkpoint before its last report, which therefore comes again.
        self._writers[number].scalars(report, metrics, time_s)

    def _end(self, number: int, line: Line) -> None:
        writer = self._writers.pop(number, None)
        if writer is not None:
            writer.status(TrialState(line["state"]))
            writer.close()
        if line["state"] == TrialState.FAILED.value:
            self._paths.trial(number).log.write_text(
                f"Traceback (most recent call last):\n{line['reason']}\n"
            )

    def _frozen(self, row: TrialRow) -> optuna.trial.FrozenTrial:
        state = _TOLD.get(row.state, optuna.trial.TrialState.RUNNING)
        curve = self._curves.get(row.number, {})
        is_complete = state is optuna.trial.TrialState.COMPLETE
        return optuna.trial.create_trial(
            state=state,
            value=row.best[self._experiment.search.metric] if is_complete else None,
            params=row.params,
            distributions={
                parameter.name: distribution(parameter.domain)
                for parameter in self._experiment.space.active(row.params)
            },
            user_attrs={STATE: row.state.value, REASON: row.reason} if row.state.is_finished() else {},
            intermediate_values={step: value for step, value in curve.items() if value is not None},
        )
