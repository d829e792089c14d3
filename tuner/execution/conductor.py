"""The one place that moves trials from state to state. Knows searcher, scheduler and records; no Ray.

    job = conductor.next()                               # a gang is free: the trial that it trains, or None
    conductor.on_start(number, gang)                     # the gang has it, and for each report:
    decision = conductor.on_report(number, report, nodes, devices)
    if decision.action is Action.PAUSE: ...              # its checkpoint is written, and then:
        conductor.on_saved(number)
    conductor.on_fault(number, "lost", reason)           # its gang is gone
    for number in conductor.take_cut(): ...              # ended without a report: stop them, if they run
    conductor.close("the driver ended")

Whoever drives it (Ray Tune's bridges, a test with a made-up gang) calls it from one thread. Whatever happens
is written to `decisions.jsonl` first and done afterwards; how a search goes on from there is in `resume.py`
and `docs/recovery.md`.
"""

import math
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError, StorageError, UsageError
from tuner.execution.commands import Standing, answer, check_fits
from tuner.execution.confirmation import FreshRun, due
from tuner.execution.decisions import DecisionLog
from tuner.execution.memory import kind_of, micro_batch_of, smaller_micro_batch, with_micro_batch
from tuner.execution.state import ON_A_GANG, SearchState, directions, metrics_that_count
from tuner.execution.stopwatch import Stopwatch
from tuner.execution.verdicts import TOLD_TO_PAUSE, Judge, Verdict
from tuner.records.checkpoints import Checkpoint, drop_checkpoints, newest_place, newest_sound, take_over
from tuner.records.commands import Command, Inbox
from tuner.records.confirmation import note
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, ranked_rows, write_trials
from tuner.records.states import TOLD_TO_STOP, TrialState
from tuner.search.ahead import Asker
from tuner.search.scheduler import (
    Action,
    Copies,
    Decision,
    Exploit,
    Scheduler,
)
from tuner.search.searcher import Suggestion
from tuner.search.stopping import Progress, StopRules
from tuner.spec import Experiment
from tuner.spec.sections import SearchSpec, TrialSpec
from tuner.training.job import TrialJob
from tuner.training.report import Fault, Objective, Report

StoreOf = Callable[[Any], Path]
Listener = Callable[["Conductor"], None]

TABLE_PERIOD_S = 1.0
"""`trials.csv` is rewritten at most this often while trials end, and once at the end."""
MAX_BACKOFF_S = 60.0
"""Between a fault and the trial's next beginning; the first time a second, then twice as long each time."""


class Conductor:
    """Conducts one experiment: hands out trials, hears their reports, decides, and writes it all down.

    Args:
        asker: the searcher, as `tuner.search.ahead.make_asker` makes it.
        store_of: the prepared store's folder for a trial's data section.
        num_gangs: as many as fit; somebody may want fewer.
        gpus_per_gang: GPUs that a running trial holds.
        clock: seconds that only go forward; a test passes made-up ones.
    """

    def __init__(
        self,
        experiment: Experiment,
        paths: ExperimentPaths,
        asker: Asker,
        scheduler: Scheduler,
        *,
        store_of: StoreOf,
        num_gangs: int,
        gpus_per_gang: float = 0.0,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
        state: SearchState | None = None,
    ) -> None:
        self.experiment = experiment
        self.paths = paths
        self.objective = _objective(experiment.search)
        self.leave_reason: str | None = None
        """Why the run ends while the search may not; None where it does not."""
        self._trouble: OSError | StorageError | None = None
        self._asked_to_leave: str | None = None
        self._grace_ends_s = math.inf
        self._state = state or new_state(experiment)
        self._asker, self._scheduler = asker, scheduler
        self._judge = Judge(experiment.search, self.objective, scheduler, self._state)
        self._rules = StopRules(experiment.search)
        self._store_of = store_of
        self._most_gangs, self._gpus_per_gang = num_gangs, gpus_per_gang
        self.num_gangs = self._wanted_gangs
        """That may train at once."""
        self._listeners = listeners
        self._clock = clock
        self._began_s, self._spent_before_s = clock(), self._state.spent_s
        self._watch = Stopwatch(clock)
        self._is_space_exhausted = False
        self._pausing: set[int] = set()
        self._begins_at_s: dict[int, float] = {}
        self._micro_batches: dict[int, int] = {}
        """trial -> what its gang has tried"""
        self._cut: list[int] = []
        self._table_written_s = -math.inf
        self._inbox = Inbox(paths.commands)
        self._log = DecisionLog(paths.decisions)
        self._happens("OPEN", None, pid=os.getpid(), host=socket.gethostname())
        self._settle()
        if self.waits_for:
            self._tell_listeners()

    @property
    def rows(self) -> dict[int, TrialRow]:
        return self._state.rows

    @property
    def error(self) -> ExperimentError | None:
        """What was wrong with the experiment, where only a trial's report could tell; it ended the search."""
        return self._judge.error

    @property
    def is_search_over(self) -> bool:
        """Whether nothing of the search itself will begin or go on; fresh runs may."""
        return self._state.is_over

    @property
    def end_reason(self) -> str | None:
        """Why the search ended before its trials were spent; None where it did not."""
        return self._state.end_reason

    @property
    def is_asked_to_leave(self) -> bool:
        """Whether `ask_to_leave` was called, also while nobody has had time for it."""
        return self._asked_to_leave is not None

    @property
    def is_leaving(self) -> bool:
        return self.leave_reason is not None

    @property
    def spent_s(self) -> float:
        """Seconds of searching so far, over all runs of the folder."""
        return self._spent_before_s + self._clock() - self._began_s

    @property
    def is_exhausted(self) -> bool:
        """Whether no new trial will come."""
        is_spent = self._state.num_suggested >= self.experiment.search.trials
        return is_spent or self._is_space_exhausted or self.is_search_over

    @property
    def is_done(self) -> bool:
        """Whether search and confirmation are over."""
        return self.is_search_over and self._num_busy == 0 and not self._waiting_rows() and not self._due()

    @property
    def is_over(self) -> bool:
        """Whether `next` will never find anything again, and nothing runs."""
        return self._num_busy == 0 if self.is_leaving else self.is_done

    @property
    def _num_busy(self) -> int:
        """Gangs that have a trial or are promised one. One that pauses keeps its gang until it is saved."""
        others = [
            row
            for row in self._on_gangs()
            if row.number not in self._pausing or row.state is TrialState.QUEUED
        ]
        return len(self._pausing) + len(others)

    @property
    def waits_for(self) -> list[int]:
        """The trials that somebody has paused, where the search has nothing to do before they go on."""
        held = self._state.held
        has_other = self._num_busy > 0 or any(row.number not in held for row in self._waiting_rows())
        return [] if has_other or not self.is_exhausted else sorted(held)

    def next(self) -> TrialJob | None:
        """The trial that a free gang trains next: one that was interrupted or is paused, or a new one.

        None when no gang is free, while a suggestion is still drawn, and while nothing may begin. When
        nothing is left to begin or to go on with, nothing runs and nobody has paused a trial, the search is
        over; then come the fresh runs that confirm its best.
        """
        self.raise_trouble()
        self._leave_if_asked()
        self._obey()
        self._check_rules()
        if self.is_leaving or self._num_busy >= self.num_gangs:
            return None
        found = self._again()
        if found is not None or self.is_search_over:
            return found or self._confirm()
        found = self._resume() or self._begin()
        if found is None and self.is_exhausted:
            # The scheduler has not heard yet that the last trial has begun.
            found = self._resume()
        is_idle = self._num_busy == 0 and not self._waiting_rows() and not self._state.held
        if found is None and self.is_exhausted and is_idle:
            self._end_search()
            return self._confirm()
        return found

    def on_start(self, number: int, gang: int | None = None) -> None:
        """The trial has its gang, for the first time or again; None: it ends without one."""
        row = self.rows[number]
        is_first = number not in self._state.started
        self._happens("START", number, gang=gang)
        if is_first and row.is_judged:
            self._scheduler.on_start(number, row.params)
        self._watch.start(number)
        self._tell_listeners()

    def on_saved(self, number: int) -> None:
        """The trial's checkpoint is written: where it pauses, its gang is free from here on."""
        if number not in self._pausing:
            return
        self._pausing.remove(number)
        row, answer = self.rows[number], self._state.answers.get(number)
        if answer is not None and answer.action is Action.CONTINUE:
            # The scheduler knows nothing of it: to it the trial only takes long.
            self._leave_gang(number, TOLD_TO_PAUSE)
            return
        self._pause(number)
        if self.is_leaving and row.state is TrialState.QUEUED:
            # The scheduler went on with it meanwhile; no gang does any more.
            self._let_go([row], "it is saved")

    def on_report(
        self, number: int, report: Report, nodes: Sequence[str] = (), devices: Sequence[str] = ()
    ) -> Decision:
        """A report of a running trial: decides how the trial goes on, and writes it down."""
        if report.has_left:
            return self._leave_gang(number, self._left(number, report))
        if report.fault is not None:
            self.on_fault(number, report.fault, report.reason)
            return Decision(Action.STOP, report.reason)
        if report.state is None and report.step <= self.rows[number].reports:
            return self._answer_again(number, report.step)
        verdict = self._judge.verdict(number, report)
        self._note(number, report, {"nodes": list(nodes), "devices": list(devices)}, verdict)
        if verdict.end is not None:
            self._after_end(number)
        elif verdict.decision.action is Action.PAUSE:
            self._pausing.add(number)
        self._tell_listeners()
        if self.error is not None and not self.is_search_over:
            self._end_search(str(self.error))
        self._check_rules()
        decision = verdict.decision
        if decision.action is not Action.STOP and self.rows[number].state.is_finished():
            return Decision(Action.STOP, self.rows[number].reason, value=decision.value)
        if decision.action is Action.CONTINUE and number in self._state.held:
            self._pausing.add(number)
            return Decision(Action.PAUSE, TOLD_TO_PAUSE, value=decision.value)
        return decision

    def on_fault(self, number: int, fault: Fault, reason: str) -> None:
        """The trial's gang could not train on: it begins again from its newest checkpoint, or has FAILED."""
        self._pausing.discard(number)
        if self.rows[number].state.is_finished():
            return
        # Where the disk takes nothing the trial is not to blame: this raises before it is.
        self._write_table(at_once=True)
        if fault == "memory":
            self._shrink(number, reason)
        elif self._state.num_faults[number] < self.experiment.recovery.retries:
            self._retry(number, fault, reason)
        else:
            self._finish(number, TrialState.FAILED, reason)

    def ask_to_leave(self, reason: str) -> None:
        """The run shall end while the search does not; safe in a signal handler."""
        self._asked_to_leave = self._asked_to_leave or reason

    def _leave_if_asked(self) -> None:
        if self._asked_to_leave is None and self.paths.leave.exists():
            self._asked_to_leave = "tuner stop"
        if self._asked_to_leave is None or self.leave_reason == self._asked_to_leave:
            return
        if not self.is_leaving:
            self._leave(self._asked_to_leave)
        self.leave_reason = self._asked_to_leave
        self._grace_ends_s = self._clock() + self.experiment.recovery.grace_seconds

    @property
    def _wanted_gangs(self) -> int:
        wanted = self._state.num_gangs
        return self._most_gangs if wanted is None else min(wanted, self._most_gangs)

    def regroup(self) -> bool:
        """Whether all gangs were left to go on with another number of them: from here it does."""
        if not self.is_leaving or self.is_asked_to_leave or self._trouble is not None:
            return False
        self.leave_reason, self._grace_ends_s = None, math.inf
        self.num_gangs = self._wanted_gangs
        self.paths.give_back.unlink(missing_ok=True)
        self._pause_what_is_saved()
        return True

    def _leave(self, reason: str) -> None:
        """Gangs save what they train and give it back, however long that takes; nothing begins."""
        self.leave_reason = reason
        self.paths.give_back.touch()
        queued = [row for row in self._on_gangs() if row.state is TrialState.QUEUED]
        # One that the scheduler went on with while it is saved for its pause has a gang until then.
        self._let_go([row for row in queued if row.number not in self._pausing], "it had no gang yet")
        if not self.experiment.search.checkpoints:
            self._let_go(self._on_gangs(), "it is not saved (search.checkpoints is false)")

    def _obey(self) -> None:
        """Answers what the search is asked from outside, and does it."""
        if self.is_leaving or self._trouble is not None:
            return
        for command in self._inbox.new():
            if command.key not in self._state.answered:
                self._answer(command)
        self._stop_as_told()
        if self._wanted_gangs != self.num_gangs:
            self._leave("another number of gangs")

    def _answer(self, command: Command) -> None:
        """The line first: what was accepted and not done then is done when the search goes on."""
        has_room = not self.is_exhausted and self._asker.has_room()
        standing = Standing(
            self._state, self.experiment, has_room, self._newest, self._wanted_gangs, self._most_gangs
        )
        line = answer(command, standing)
        self._happens("COMMAND", command.trial, **line)
        if command.key in self._state.enqueued:
            self._asker.enqueue(command.key, line["params"])
        self._tell_listeners()

    def _stop_as_told(self) -> None:
        """Ends the trials that no report will end."""
        for number in self._state.told_to_stop:
            row = self.rows[number]
            if row.state is TrialState.PAUSED or number in self._state.interrupted:
                self._cut_off(row, TOLD_TO_STOP)

    def _let_go(self, rows: Iterable[TrialRow], why: str) -> None:
        """Trials that nobody waits for when the run leaves: they go on from what they have saved."""
        for row in list(rows):
            self._pausing.discard(row.number)
            self._leave_gang(row.number, f"{why}: {self._newest_in_words(row.number)}")
            self._cut.append(row.number)

    def _left(self, number: int, report: Report) -> str:
        """What a trial leaves behind that was told to save and leave, in words."""
        place = (report.step, report.num_steps or 0)
        if not any(place):
            return "it had made no step yet"
        is_saved = newest_place(self.paths.trial(number)) == place
        return f"{'it is saved' if is_saved else 'it could not be saved'}: {self._newest_in_words(number)}"

    def _newest_in_words(self, number: int) -> str:
        newest = newest_place(self.paths.trial(number))
        if newest is None:
            return "it has no checkpoint, and begins from scratch"
        num_reports, num_steps = newest
        step = f", step {num_steps}" if num_steps else ""
        return f"its newest checkpoint is of report {num_reports}{step}"

    def _on_gangs(self) -> Iterator[TrialRow]:
        """Of the trials that have a gang or are promised one."""
        for row in self.rows.values():
            if row.state in ON_A_GANG and row.number not in self._state.interrupted:
                yield row

    def take_cut(self) -> list[int]:
        """The trials that ended since the last call without a word of their own."""
        self._leave_if_asked()
        self._obey()
        if self.is_leaving and self._clock() > self._grace_ends_s:
            why = f"it was not saved within {self.experiment.recovery.grace_seconds:g} s"
            self._let_go(self._on_gangs(), why)
            # What the scheduler has resumed meanwhile, and somebody holds, counts as without a gang.
            self._let_go([self.rows[number] for number in sorted(self._pausing)], why)
        cut, self._cut = self._cut, []
        return cut

    def close(self, reason: str) -> None:
        """No more comes in this run: lets go of what it holds, and writes the last table.

        `reason`: why the search is not done, where it is not.
        """
        try:
            if self._trouble is None:
                self._asker.close()
                if not self.is_done:
                    self._happens("LEAVE", None, reason=reason)
                write_trials(self.paths.trials_csv, list(self.rows.values()))
        finally:
            self._log.close()
            self.paths.leave.unlink(missing_ok=True)
            self.paths.give_back.unlink(missing_ok=True)

    @contextmanager
    def noting_trouble(self) -> Iterator[None]:
        """After a disk's or a database's error in the block nothing is written any more.

        The folder stays as it was then, and `next` raises the error again.
        """
        try:
            yield
        except (OSError, StorageError) as error:
            self._trouble = self._trouble or error
            raise

    def raise_trouble(self) -> None:
        """Raises again what was noted."""
        if self._trouble is not None:
            raise self._trouble

    def _settle(self) -> None:
        """What an earlier run of the folder decided and had no time to do."""
        state = self._state
        self.paths.give_back.unlink(missing_ok=True)
        if state.last_exploit is not None:
            self._take_over(state.last_exploit["trial"], state.last_exploit["donor"])
        for row in self.rows.values():
            is_clone = row.donor is not None and row.number not in state.started
            if is_clone and self._newest(row.number) is None:
                self._begin_from_donor(row)
        self._pause_what_is_saved()
        self._stop_as_told()
        if self._may_reopen():
            self._happens("REOPEN", None)
        if self.is_search_over:
            self._end_rest(self.end_reason)
        self._drop_all_checkpoints()

    def _pause_what_is_saved(self) -> None:
        """Of the trials whose gang is gone, those whose pause had its checkpoint."""
        for number in sorted(self._state.interrupted):
            answer = self._state.answers.get(number)
            is_pause = answer is not None and answer.action is Action.PAUSE
            if answer is not None and is_pause and self._is_saved_at(number, answer.step):
                self._pause(number)

    def _may_reopen(self) -> bool:
        """Whether the trials were spent, and now there are more."""
        state = self._state
        is_spent = state.is_over and state.end_reason is None
        is_confirmed = any(row.confirms is not None for row in self.rows.values())
        return is_spent and not is_confirmed and state.num_suggested < self.experiment.search.trials

    def _is_saved_at(self, number: int, num_reports: int) -> bool:
        saved = self._newest(number)
        return saved is not None and saved.num_reports == num_reports

    def _newest(self, number: int) -> Checkpoint | None:
        return newest_sound(self.paths.trial(number))

    def _pause(self, number: int) -> None:
        self._happens("SAVED", number, **self._lap(number, stop=True))
        if isinstance(self._scheduler, Copies):
            self._scheduler.on_saved(number)
        self._tell_listeners()

    def _waiting_rows(self) -> list[TrialRow]:
        """Of trials that wait for a gang to go on where they were interrupted, by number."""
        return [self.rows[number] for number in sorted(self._state.interrupted)]

    def _again(self) -> TrialJob | None:
        """The next interrupted trial whose time has come."""
        now_s = self._clock()
        for row in self._waiting_rows():
            is_due = self._begins_at_s.get(row.number, now_s) <= now_s
            if is_due and row.number not in self._state.held:
                self._begins_at_s.pop(row.number, None)
                self._state.interrupted.discard(row.number)
                return self._job(row.number, row.params, row.seed)
        return None

    def _resume(self) -> TrialJob | None:
        """The paused trial that the scheduler goes on with.

        One whose pause was lost with its gang is no longer paused: it has a gang, or waits for one, and goes
        on when it comes there again.
        """
        while (resume := self._scheduler.resume(is_last=self.is_exhausted)) is not None:
            row = self.rows[resume.number]
            is_paused = row.state is TrialState.PAUSED or row.number in self._pausing
            if isinstance(resume, Exploit):
                self._exploit(row, resume)
            else:
                under_way = {} if is_paused else {"under_way": True}
                self._happens("RESUME", row.number, report=row.reports, reason=resume.reason, **under_way)
            if is_paused and row.number not in self._state.held:
                return self._job(row.number, row.params)
        return None

    def _exploit(self, row: TrialRow, exploit: Exploit) -> None:
        """The paused trial goes on from the donor's state, with new parameters."""
        value = self.value_of(row.number)
        is_first = row.number not in self._state.copies
        content = {"donor": exploit.donor, "old": row.params, "new": dict(exploit.params)}
        self._happens("EXPLOIT", row.number, report=row.reports, reason=exploit.reason, **content)
        self._take_over(row.number, exploit.donor)
        if is_first:
            # For the searcher the trial ends here: what comes is not owed to the parameters that it drew.
            self._asker.finish(row.number, TrialState.STOPPED, value, exploit.reason, row.last)

    def _take_over(self, number: int, donor: int) -> None:
        take_over(self.paths.trial(donor), self.paths.trial(number), self.value_of(number))

    def _begin(self) -> TrialJob | None:
        """The next trial to begin.

        Parameters that break a rule between them (which the checks at the space's corners cannot see) are an
        INFEASIBLE trial, and the next ones are tried.
        """
        while (suggestion := self._suggestion()) is not None:
            self._add(suggestion)
            row = self.rows[suggestion.number]
            self._begin_from_donor(row)
            if row.state.is_finished():
                continue
            try:
                return self._job(row.number, row.params)
            except UsageError as error:
                self.on_start(row.number)
                self._finish(row.number, TrialState.INFEASIBLE, str(error))
        return None

    def _begin_from_donor(self, row: TrialRow) -> None:
        """Gives a clone its donor's newest checkpoint; without a sound one that fits it has FAILED."""
        if row.donor is None or row.state.is_finished():
            return
        wrong = self._misfit(row, row.donor)
        if wrong is None:
            self._take_over(row.number, row.donor)
        else:
            self.on_start(row.number)
            self._finish(row.number, TrialState.FAILED, wrong)
        if self.rows[row.donor].state.is_finished():
            self._drop_checkpoints(self.rows[row.donor])

    def _misfit(self, clone: TrialRow, donor: int) -> str | None:
        """Why the clone cannot begin; its donor may have written another checkpoint since it was accepted."""
        saved = self._newest(donor)
        if saved is None:
            return f"a clone begins from a checkpoint, but trial {donor} has no sound one any more"
        try:
            check_fits(self.rows[donor], clone.params, saved, self.experiment)
        except UsageError as error:
            return str(error)
        return None

    def _due(self) -> list[FreshRun]:
        return due(self.rows.values(), self.experiment)

    def _confirm(self) -> TrialJob | None:
        """The next fresh run of one of the search's best trials, as a further trial."""
        run = next(iter(self._due()), None)
        if run is None:
            return None
        number, params = len(self.rows), dict(self.rows[run.confirms].params)
        self._happens("BEGIN", number, params=params, confirms=run.confirms, seed=run.seed)
        self._tell_listeners()
        return self._job(number, params, run.seed)

    def _suggestion(self) -> Suggestion | None:
        # With nothing running there is nothing better to do than to wait for one.
        if self.is_exhausted or (self._num_busy > 0 and not self._asker.is_ready()):
            return None
        suggestion = self._asker.suggest()
        self._is_space_exhausted = suggestion is None
        return suggestion

    def _add(self, suggestion: Suggestion) -> None:
        number, key = suggestion.number, suggestion.key
        donor = None if key is None else self._state.clones.get(key)
        content: dict[str, Any] = {} if key is None else {"key": key}
        if donor is not None:
            content["donor"] = donor
        self._happens("BEGIN", number, params=suggestion.params, **content)
        if donor is not None:
            # For the searcher it ends here: what comes is not owed to the parameters alone.
            self._asker.finish(number, TrialState.STOPPED, None, f"begins from a checkpoint of trial {donor}")
        self._tell_listeners()

    def _check_rules(self) -> None:
        """Ends the search where a rule of `search.stop` says so."""
        if self.is_search_over or self._rules.is_empty:
            return
        reason = self._rules.check(self._progress())
        if reason is not None:
            self._end_search(reason)

    def _progress(self) -> Progress:
        metric, best = self.objective.metric, self.best()
        seen = [row for row in self.rows.values() if row.state not in ON_A_GANG]
        now = sum(self._watch.seconds(number) for number in self.rows) * self._gpus_per_gang
        before = sum(row.gpu_seconds or 0.0 for row in self.rows.values())
        return Progress(
            hours=self.spent_s / 3600,
            gpu_hours=(before + now) / 3600,
            best=best.best[metric] if best else None,
            waited=self._state.waiting.num_trials,
            seen=[row.best[metric] for row in seen if row.is_sound and metric in row.best],
        )

    def _end_search(self, reason: str | None = None) -> None:
        """No trial begins or goes on any more; what runs or waits is stopped.

        `reason`: why it ends before its trials are spent.
        """
        self._happens("END", None, reason=reason)
        self._end_rest(reason)

    def _end_rest(self, reason: str | None) -> None:
        """What was drawn in vain is a trial too, so that numbers have no gap."""
        for suggestion in self._asker.close():
            self._add(suggestion)
        for row in list(self.rows.values()):
            if not row.state.is_finished() and row.confirms is None:
                self._cut_off(row, reason or _left_behind(row))
        self._drop_all_checkpoints()

    def _cut_off(self, row: TrialRow, reason: str) -> None:
        if row.state is TrialState.QUEUED:
            self.on_start(row.number)
        self._finish(row.number, TrialState.STOPPED, reason)
        self._cut.append(row.number)

    def _job(self, number: int, params: dict[str, Any], seed: int | None = None) -> TrialJob:
        """`seed`: that of a fresh run; None: the configuration's own."""
        common: dict[str, Any] = {
            "number": number,
            "params": params,
            "objective": self.objective,
            "folder": self.paths.trial(number).root,
            "seed": self.experiment.search.seed if seed is None else seed,
            "recovery": self.experiment.recovery,
            "is_saved": self.experiment.search.checkpoints,
            "leave": self.paths.give_back,
            "donor": self.rows[number].donor,
        }
        if self.experiment.function is not None:
            config = self.experiment.config(params)
            most = self.experiment.max_reports
            return TrialJob(**common, function=self.experiment.function, config=config, max_reports=most)
        spec = self._fitting(self.experiment.resolve(params))
        spec = spec if seed is None else spec.with_seed(seed)
        self._micro_batches[number] = micro_batch_of(spec, self.experiment.resources.workers)
        cache = self.experiment.resources.shard_cache
        return TrialJob(**common, spec=spec, store=self._store_of(spec.data), shard_cache=cache)

    def _fitting(self, spec: TrialSpec) -> TrialSpec:
        """With the micro-batch that trials of this kind have been found to need."""
        most = self._state.micro_batches.get(kind_of(spec)) if self._state.micro_batches else None
        return spec if most is None else with_micro_batch(spec, self.experiment.resources.workers, most)

    def _lap(self, number: int, *, stop: bool = False) -> dict[str, Any]:
        """The trial's seconds up to now, for a line."""
        row = self.rows[number]
        lap_s = self._watch.stop(number) if stop else self._watch.lap(number)
        seconds = (row.seconds or 0.0) + lap_s
        gpu_seconds = (row.gpu_seconds or 0.0) + lap_s * self._gpus_per_gang
        return {"seconds": seconds, "gpu_seconds": gpu_seconds or None}

    def _note(self, number: int, report: Report, place: dict[str, list[str]], verdict: Verdict) -> None:
        """Writes the report down with what becomes of it, and tells the searcher."""
        decision = asdict(verdict.decision) | {"action": verdict.decision.action.value}
        end = {} if verdict.end is None else {"state": verdict.end.value}
        heard = {} if verdict.heard is None else {"heard": verdict.heard}
        self._happens(
            decision.pop("action"),
            number,
            report=report.step,
            **decision,
            metrics=report.metrics,
            steps=report.num_steps,
            **place,
            **self._lap(number, stop=verdict.end is not None),
            **heard,
            **end,
        )
        value = self.objective.of(report.metrics)
        is_told = self.rows[number].confirms is None and number not in self._state.copies
        if is_told and value is not None:
            self._asker.report(number, report.step, value)

    def _answer_again(self, number: int, step: int) -> Decision:
        """A report that was heard before an interruption: answered as it was then, and told to nobody."""
        answer = self._state.answers.get(number)
        if answer is None or step < answer.step:
            return Decision(Action.CONTINUE, f"report {step} was heard before")
        if answer.action is Action.PAUSE:
            self._pausing.add(number)
        return Decision(answer.action, answer.reason)

    def value_of(self, number: int) -> float | None:
        """A trial's value: the best finite one of its reports, the one whose weights are kept."""
        return self.rows[number].best.get(self.objective.metric)

    def best(self) -> TrialRow | None:
        """The best trial so far among those that did not fail or diverge."""
        return self._state.best()

    def _shrink(self, number: int, reason: str) -> None:
        """The trial does not fit into memory: it begins again with half the micro-batch, if there is one.

        With still less where a trial alike, which began at the same time, has learned that meanwhile.
        """
        if self.experiment.function is not None:
            self._finish(number, TrialState.INFEASIBLE, f"out of memory: {reason}")
            return
        workers, tried = self.experiment.resources.workers, self._micro_batches[number]
        spec = with_micro_batch(self.experiment.resolve(self.rows[number].params), workers, tried)
        smaller = smaller_micro_batch(spec, workers)
        if smaller is None:
            self._finish(number, TrialState.INFEASIBLE, f"out of memory at micro-batch 1: {reason}")
            return
        kind = kind_of(spec)
        most = min(smaller, self._state.micro_batches.get(kind, smaller))
        fits = micro_batch_of(with_micro_batch(spec, workers, most), workers)
        reason = f"out of memory at micro-batch {tried}: goes on with {fits}"
        self._retry(number, "memory", reason, kind=kind, micro_batch=most)

    def _retry(self, number: int, fault: Fault, reason: str, **content: Any) -> None:
        wait_s = min(MAX_BACKOFF_S, 2.0 ** self._state.num_faults[number])
        self._happens("RETRY", number, reason=reason, fault=fault, **content, **self._lap(number, stop=True))
        if fault != "memory":
            self._begins_at_s[number] = self._clock() + wait_s
        self._tell_listeners()

    def _leave_gang(self, number: int, reason: str) -> Decision:
        """The trial is saved, and goes on another time."""
        self._happens("LEAVE", number, reason=reason, **self._lap(number, stop=True))
        self._tell_listeners()
        return Decision(Action.STOP, reason)

    def _finish(self, number: int, state: TrialState, reason: str) -> None:
        """The trial ends without a report."""
        now = self.rows[number].state
        # One that somebody holds and the scheduler resumed may fail while its gang still saves it.
        if now is TrialState.QUEUED or (now is TrialState.PAUSED and state is not TrialState.STOPPED):
            self.on_start(number)
        self._happens("FINISH", number, state=state.value, reason=reason, **self._lap(number, stop=True))
        self._after_end(number)

    def _after_end(self, number: int) -> None:
        row = self.rows[number]
        self._pausing.discard(number)
        self._micro_batches.pop(number, None)
        if row.is_judged:
            self._tell_of_end(row)
            self._scheduler.on_finish(number)
        elif self.experiment.confirm is not None:
            note(self.rows.values(), self.experiment.confirm, self.objective.metric, self.objective.mode)
        self._drop_checkpoints(row)
        self._drop_weights()
        self._write_table()
        self._tell_listeners()

    def _tell_of_end(self, row: TrialRow) -> None:
        if row.number in self._state.copies:
            return
        self._asker.finish(
            row.number, row.state, self.value_of(row.number), row.reason, metrics_that_count(row)
        )

    def _drop_all_checkpoints(self) -> None:
        for row in self.rows.values():
            if row.state.is_finished():
                self._drop_checkpoints(row)

    def _drop_checkpoints(self, row: TrialRow) -> None:
        """A trial that has ended is never resumed, but a clone may wait for it; its best weights stay."""
        if self.is_search_over or row.number not in self._state.clones.values():
            drop_checkpoints(self.paths.trial(row.number))

    def _drop_weights(self) -> None:
        """Keeps the best weights of `recovery.keep_best` trials of the search, and of all fresh runs."""
        most = self.experiment.recovery.keep_best
        if most is None:
            return
        rows = self.rows.values()
        kept = {row.number for row in ranked_rows(rows, self.objective.metric, self.objective.mode)[:most]}
        for row in rows:
            if row.state.is_finished() and row.confirms is None and row.number not in kept:
                shutil.rmtree(self.paths.trial(row.number).best_checkpoint, ignore_errors=True)

    def _happens(self, action: str, number: int | None, *, report: int | None = None, **content: Any) -> None:
        """Writes the line, and only then lets it happen."""
        self.raise_trouble()
        line = {"spent_s": self.spent_s, "action": action, "trial": number, "report": report, **content}
        self._log.write(line)
        self._state.apply(line)

    def _write_table(self, *, at_once: bool = False) -> None:
        if at_once or self._clock() - self._table_written_s >= TABLE_PERIOD_S:
            write_trials(self.paths.trials_csv, list(self.rows.values()))
            self._table_written_s = self._clock()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener(self)


def new_state(experiment: Experiment) -> SearchState:
    """Of a search that has not begun."""
    return SearchState(experiment.search, directions(experiment.search, experiment.task))


def _left_behind(row: TrialRow) -> str:
    return f"paused at report {row.reports} and not among those that went on"


def _objective(search: SearchSpec) -> Objective:
    return Objective(search.metric, search.mode, also=(*search.also, *search.constraints))
