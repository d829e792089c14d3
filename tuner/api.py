"""The Python door: `tuner.run(experiment)`, `tuner.resume(folder)`, what they return, and `tuner.report`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import ResultsError
from tuner.records.commands import Answer, Command, ask
from tuner.records.notes import Note, write_note
from tuner.results.experiment_trials import ExperimentTrials
from tuner.results.result import Result
from tuner.spec import Experiment

if TYPE_CHECKING:
    from tuner.execution.conductor import Listener
    from tuner.training.job import TrainFunction

RESULTS = "results"


def run(
    experiment: Experiment,
    *,
    results: str | Path = RESULTS,
    address: str | None = None,
    listeners: "Sequence[Listener]" = (),
    **changes: Any,
) -> Result:
    """Searches, and returns the result.

    Args:
        results: folder under which the experiment gets a folder of its own name.
        address: of a running Ray cluster, `host:port` or `auto`; None starts one on this machine.
        listeners: called with the conductor whenever a trial changes (for progress).
        changes: fields of the experiment to replace: `name`, `trials`, `seed`, `workers`, ...

    Raises:
        UsageError: what was asked for is wrong; nothing was started and nothing left behind.
        Interrupted: Ctrl-C or SIGTERM; `resume` goes on.
        ExperimentError: also when a function of one's own reports no metric of the name that is compared or
            bounded: its first report ends the search, and the trials that ran keep their rows.
    """
    from tuner.execution.runner import run_experiment

    if changes:
        experiment = experiment.replace(**changes)
    return Result(run_experiment(experiment, Path(results), address=address, listeners=listeners))


def resume(
    folder: str | Path,
    *,
    train: "TrainFunction | None" = None,
    address: str | None = None,
    listeners: "Sequence[Listener]" = (),
    **changes: Any,
) -> Result:
    """Goes on with the search in an experiment's folder after anything, and returns the result.

    Trials that ran or were paused go on from their newest checkpoints; what has ended stays. Where search and
    confirmation are done it only returns the result.

    Args:
        folder: the experiment's own, e.g. `results/digits_cnn`.
        train: the function that trains, where it is one of one's own: a folder holds only its name.
        changes: fields of the experiment to replace: `trials` for a longer search, `workers`, ...

    Raises:
        UsageError: there is no experiment, another process runs it, or it cannot go on as asked.
        Interrupted: the run was told to end before the search has.
    """
    from tuner.execution.runner import resume_experiment

    paths = resume_experiment(
        Path(folder), function=train, changes=changes, address=address, listeners=listeners
    )
    return Result(paths)


def stop_trial(folder: str | Path, number: int) -> Answer | None:
    """Tells the search that runs in the experiment's folder, in another process, to stop one trial.

    It is STOPPED at its next new report; the search goes on. Returns what the search answered, None where it
    has not within 30 s.

    Raises:
        ResultsError: nothing runs there.
    """
    return _ask(folder, Command("stop", trial=number))


def set_gangs(folder: str | Path, number: int) -> Answer | None:
    """Tells the search that runs in the experiment's folder how many trials may train at once.

    What trains is saved, also in the middle of an epoch, all gangs end, and so many begin again. It stays so
    when the search is resumed. Returns what the search answered, None where it has not within 30 s.

    Raises:
        ResultsError: nothing runs there.
    """
    return _ask(folder, Command("gangs", params={"gangs": number}))


def pause_trial(folder: str | Path, number: int) -> Answer | None:
    """Tells the search that runs in the experiment's folder, in another process, to pause one trial.

    It is saved at its next new report and gives its gang free, until `unpause_trial`, also when the search is
    resumed in between. While a trial is paused the search does not end by itself. Returns what the search
    answered, None where it has not within 30 s.

    Raises:
        ResultsError: nothing runs there.
    """
    return _ask(folder, Command("pause", trial=number))


def unpause_trial(folder: str | Path, number: int) -> Answer | None:
    """Tells the search that runs in the experiment's folder to go on with a trial that was told to pause.

    Returns what the search answered, None where it has not within 30 s.

    Raises:
        ResultsError: nothing runs there.
    """
    return _ask(folder, Command("unpause", trial=number))


def enqueue(folder: str | Path, params: Mapping[str, Any], *, like: int | None = None) -> Answer | None:
    """Tells the search that runs in the experiment's folder, in another process, what to try next.

    Args:
        params: parameter to value, as in `search.points`; what they leave out the sampler draws.
        like: number of a trial whose parameters count where `params` does not say otherwise.

    Returns what the search answered, None where it has not within 30 s.

    Raises:
        ResultsError: nothing runs there.
    """
    return _ask(folder, Command("enqueue", trial=like, params=params))


def clone_trial(folder: str | Path, number: int, params: Mapping[str, Any] | None = None) -> Answer | None:
    """Tells the search that runs in the experiment's folder to begin a trial from another one's checkpoint.

    It takes the place of a trial to come, as an enqueued one does, with the weights and the state of the
    other one's newest checkpoint, and its reports count on from there. From scratch that is
    `enqueue(like=number)`.

    Args:
        params: parameter to value, where they differ; of a model of ours only those that a checkpoint goes on
            with (`tuner.spec.population_rules.CHANGEABLE`).

    Returns what the search answered, None where it has not within 30 s.

    Raises:
        ResultsError: nothing runs there.
    """
    return _ask(folder, Command("clone", trial=number, params=params or {}))


def note(
    folder: str | Path,
    number: int,
    text: str | None = None,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> Note:
    """Notes something about a trial in the experiment's folder; returns what is noted then.

    No search needs to run.

    Args:
        text: instead of the one of before; None keeps that.
        add, remove: tags.

    Raises:
        UsageError: there is no such trial, or text or tags are none.
    """
    paths = Result.open(folder).paths
    trials = ExperimentTrials(paths)
    trials.poll()
    if number not in trials.rows:
        raise ResultsError(f"a note is about one of {len(trials.rows)} trials of {folder}; found {number}")
    before = trials.notes.get(number, Note())
    tags = [each for each in dict.fromkeys([*before.tags, *add]) if each not in remove]
    after = Note(before.text if text is None else text, tuple(tags))
    if after != before:
        write_note(paths.notes, number, after)
    return after


def report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes the report of a search, over or not, as one HTML file that needs nothing else; returns the file.

    Args:
        folder: the experiment's own, or any folder of TensorBoard logs.
        out: the file to write; None: `report.html` in the folder.

    Raises:
        ResultsError: there is nothing to report of, or it is damaged.
        UsageError: the file cannot be written.
    """
    from tuner.search_report import write_report

    return write_report(folder, out)


def _ask(folder: str | Path, command: Command) -> Answer | None:
    result = Result.open(folder)
    return ask(result.paths, command, is_done=result.standing == "done")
