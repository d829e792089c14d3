"""The command line: thin commands over the Python doors.

Exit status 0 done, 1 failed, 2 wrong usage or a wrong experiment.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import tuner
from tuner.errors import ResultsError, TunerError, UsageError

if TYPE_CHECKING:
    from tuner.records.commands import Answer
    from tuner.records.confirmation import Confirmation, Estimate
    from tuner.records.rows import TrialRow
    from tuner.results.result import Result
    from tuner.spec import Experiment, Parameter

INTERRUPTED = 130
"""Exit status after a Ctrl-C that ended the command at once."""

PIPE_WIDTH = 10_000
"""Columns of what is no terminal."""

app = typer.Typer(
    help="Search for the best way to train a PyTorch model on a cluster.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="experiment file (YAML)")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="replace a value of the experiment, e.g. train.epochs=3; repeatable",
    ),
]
Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="an experiment's folder, e.g. results/digits_cnn")
]
SetParameter = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="a searched parameter's value; repeatable"),
]
Trial = Annotated[int, typer.Option(metavar="N", help="the trial's number")]
Json = Annotated[bool, typer.Option("--json", help="print JSON for programs")]
Results = Annotated[
    Path, typer.Option(metavar="DIR", help="the experiment gets a folder of its name in there")
]
Trials = Annotated[
    int | None, typer.Option(metavar="N", help="number of trials, instead of the file's search.trials")
]
Address = Annotated[
    str | None, typer.Option(metavar="ADDR", help="join a running Ray cluster: host:port or auto")
]
Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="the experiment's name, instead of the one in the file")
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `tuner`; an error is one sentence on stderr, never a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        # Without "standalone" typer leaves its errors to us, and returns the status of --help and of Ctrl-C.
        status = app(given or ["--help"], prog_name="tuner", standalone_mode=False)
        if status == INTERRUPTED:
            _complain("interrupted.")
        sys.exit(status)
    except TunerError as error:
        _complain(str(error))
        sys.exit(error.exit_status)
    except OSError as error:
        if error.errno is None or isinstance(error, ConnectionError):
            raise
        # Rights, a full disk, a folder that is gone: where depends on the command.
        at = f", at {error.filename}" if error.filename else ""
        _complain(
            "a command needs files that it can read, and folders with room to write to, but the system says: "
            f"{error.strerror}{at}; set that right."
        )
        sys.exit(TunerError.exit_status)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "tuner"
        found = error.format_message().rstrip(".?")
        # The shell takes a value with braces or spaces apart.
        if "extra argument" in found and "--set" in given:
            found += "; put what stands after --set into quotes: --set 'PATH=VALUE'"
        _complain(f"{found}; see {command} --help.")
        sys.exit(UsageError.exit_status)


def _complain(sentence: str) -> None:
    print(f"tuner: {sentence}", file=sys.stderr)


@app.command()
def check(spec: Spec, set_: Set = None, as_json: Json = False) -> None:
    """Validate an experiment; print it as resolved, and its space."""
    experiment = _load(spec, set_)
    if experiment.search.warm_start:
        # It imports Optuna, which takes half a second.
        from tuner.execution.checks import check_warm_start

        check_warm_start(experiment)
    specs = list(experiment.representatives())
    if any(each.model.type == "pretrained" for each in specs):
        from tuner.execution.checks import check_pretrained

        check_pretrained(specs)
    if as_json:
        _print_json(_check_json(experiment))
        return
    console = _console()
    console.print(experiment.to_yaml().rstrip(), soft_wrap=True)
    console.print(_space_table(experiment))
    console.print(
        f"ok: {experiment.search.trials} trials, at most {experiment.max_reports} reports each. "
        f"Next: tuner run {spec}",
        soft_wrap=True,
    )


@app.command()
def data(
    spec: Spec,
    set_: Set = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write it as one HTML file, with pictures")
    ] = None,
    results: Annotated[
        Path, typer.Option(metavar="DIR", help="the data is prepared there, as for a search")
    ] = Path("results"),
    as_json: Json = False,
) -> None:
    """See the data: splits, classes, columns, gaps, samples, rows that leak."""
    from tuner.data_report import as_html, as_text, report_of
    from tuner.records.files import atomic_write

    experiment = _load(spec, set_)
    if html is not None:
        _check_writable(html)
    report = report_of(experiment, results)
    if html is not None:
        atomic_write(html, as_html(report))
    if as_json:
        _print_json(report.as_json())
        return
    console = _console()
    console.print(as_text(report))
    if html is not None:
        console.print(f"written to {html}", soft_wrap=True)


@app.command()
def run(
    spec: Spec,
    set_: Set = None,
    trials: Trials = None,
    name: Name = None,
    results: Results = Path("results"),
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Search: train trials until the budget is spent."""
    experiment = _load(spec, set_).replace(trials=trials, name=name)
    from tuner.progress import clock, shown

    console = _console(stderr=as_json)
    began_s = time.monotonic()
    with shown(console) as listener:
        result = tuner.run(experiment, results=results, address=address, listeners=[listener])
    if as_json:
        _print_json(_best_json(result))
    else:
        _print_summary(console, result, clock(time.monotonic() - began_s))


@app.command()
def resume(
    folder: Folder,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="number of trials in all, for a longer search")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="ranks a trial, instead of resources.workers")
    ] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Go on with a search after anything: Ctrl-C, kill -9, a lost node, a full disk."""
    from tuner.progress import clock, shown

    console = _console(stderr=as_json)
    began_s = time.monotonic()
    with shown(console) as listener:
        result = tuner.resume(folder, address=address, listeners=[listener], trials=trials, workers=workers)
    if as_json:
        _print_json(_best_json(result))
    else:
        _print_summary(console, result, clock(time.monotonic() - began_s))


@app.command()
def stop(
    folder: Folder,
    trial: Annotated[
        int | None,
        typer.Option(metavar="N", help="only this trial, at its next new report; the search goes on"),
    ] = None,
) -> None:
    """Stop a search gracefully: what trains is saved, and tuner resume goes on with it."""
    from tuner.records.commands import ask_to_leave
    from tuner.results.result import Result

    if trial is not None:
        _print_answer(folder, f"trial {trial}", tuner.stop_trial(folder, trial))
        return
    result = Result.open(folder)
    holder = ask_to_leave(result.paths, is_done=result.standing == "done")
    print(f"asked {holder} to stop; go on with: tuner resume {folder}")


@app.command()
def gangs(folder: Folder, number: Annotated[int, typer.Argument(metavar="N")]) -> None:
    """Train so many trials at once in a search that runs, as far as the cluster has room."""
    _print_answer(folder, "gangs", tuner.set_gangs(folder, number))


@app.command()
def pause(folder: Folder, trial: Trial) -> None:
    """Pause a trial of a search that runs: saved at its next new report, until tuner unpause."""
    _print_answer(folder, f"trial {trial}", tuner.pause_trial(folder, trial))


@app.command()
def unpause(folder: Folder, trial: Trial) -> None:
    """Go on with a trial that was told to pause."""
    _print_answer(folder, f"trial {trial}", tuner.unpause_trial(folder, trial))


@app.command()
def enqueue(
    folder: Folder,
    set_: SetParameter = None,
    like: Annotated[
        int | None, typer.Option(metavar="N", help="all else as in this trial, instead of drawn")
    ] = None,
) -> None:
    """Give a search that runs a configuration to try next."""
    _print_answer(folder, "the configuration", tuner.enqueue(folder, _parameters(set_), like=like))


@app.command()
def clone(folder: Folder, trial: Trial, set_: SetParameter = None) -> None:
    """Begin a trial from another one's newest checkpoint, with changes; from scratch: enqueue --like."""
    _print_answer(folder, "the clone", tuner.clone_trial(folder, trial, _parameters(set_)))


def _parameters(set_: list[str] | None) -> dict[str, Any]:
    from tuner.spec.reading import assignment

    return {".".join(keys): value for keys, value in map(assignment, set_ or ())}


@app.command()
def note(
    folder: Folder,
    trial: Annotated[int, typer.Option(metavar="N", help="the trial that it is about")],
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="instead of what was noted before", show_default=False),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="WORD", help="add a tag; repeatable")
    ] = None,
    untag: Annotated[
        list[str] | None, typer.Option("--untag", metavar="WORD", help="remove a tag; repeatable")
    ] = None,
) -> None:
    """Note something about a trial, and tag it; print what is noted."""
    noted = tuner.note(folder, trial, text, add=tag or (), remove=untag or ())
    print(
        f"trial {trial}: {' '.join([noted.text, *(f'[{each}]' for each in noted.tags)]).strip() or 'no note'}"
    )


def _print_answer(folder: Path, what: str, answer: "Answer | None") -> None:
    if answer is None:
        print(f"{what}: the search has not answered yet; look again with: tuner status {folder}")
    elif answer.is_done:
        print(f"{what}: {answer.reason}")
    else:
        raise ResultsError(answer.reason)


@app.command()
def status(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="an experiment's folder, or one with several (default: results)"),
    ] = None,
    as_json: Json = False,
) -> None:
    """One line an experiment; of one experiment, its trials."""
    from tuner.records.paths import ExperimentPaths, list_experiments
    from tuner.results.result import Result

    if folder is not None and not folder.is_dir():
        raise ResultsError(f"status reads a folder, but {folder} is none; name one, or none for results.")
    folder = folder or Path("results")
    if ExperimentPaths(folder).experiment_yaml.is_file():
        _print_trials(Result.open(folder), as_json)
        return
    found = [Result(paths) for paths in list_experiments(folder)]
    lines = [line for result in found if (line := _readable_status(result))]
    if as_json:
        _print_json(lines)
    elif not found:
        print(f"no experiment in {folder}; start one with: tuner run SPEC")
    else:
        _console().print(_experiments_table(lines))


@app.command()
def best(
    folder: Folder,
    export: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="write weights, configuration and preprocessing to that folder"),
    ] = None,
    as_json: Json = False,
) -> None:
    """The best configuration; with --export its model."""
    from tuner.results.result import Result

    result = Result.open(folder)
    found = result.best
    if export is not None:
        found.export(export)
    if as_json:
        _print_json(_best_json(result))
        return
    console = _console()
    _print_best(console, result)
    if export is not None:
        console.print(f"exported to {export}. Next: tuner predict {export} INPUT", soft_wrap=True)


@app.command()
def results(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="an experiment's folder, or any folder of TensorBoard logs"),
    ],
    curves: Annotated[
        str | None,
        typer.Option(metavar="TAG", help="curves of this tag, e.g. val/loss; all: of every tag"),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="KIND", help="csv, parquet or json (default: by FILE, or csv)"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="write it there, and print nothing")
    ] = None,
) -> None:
    """The table of trials, or their curves: as CSV, parquet or JSON."""
    from tuner.results import tables

    kind = tables.kind_of(format_, out)
    content = tables.as_bytes(tables.select(folder, curves), kind)
    if out is None:
        sys.stdout.buffer.write(content)
        return
    tables.write(out, content)


@app.command()
def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="an experiment's folder, or any folder of TensorBoard logs"),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="write it there (default: DIR/report.html)"),
    ] = None,
) -> None:
    """The search as one HTML file: in words, and in the dashboard's views."""
    print(f"written to {_near(tuner.report(folder, out))}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="OUT", help="folder that tuner best --export wrote")],
    inputs: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="new rows: .csv, .tsv, .jsonl, .parquet, .npz or .npy; texts: .txt or a table; "
            "images: a file or a folder; recordings: .wav or a folder",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Run an exported model on new data; one line a row."""
    from tuner.data import input_names, read_inputs
    from tuner.data_report.words import printable
    from tuner.results.export import ExportedModel

    exported = ExportedModel.open(model)
    predictions = exported.predict(read_inputs(inputs, exported.manifest))
    names = input_names(inputs, exported.manifest)
    if as_json:
        named = zip(names, predictions, strict=True) if names else ()
        _print_json([{"file": name, **row} for name, row in named] if names else predictions, indent=None)
        return
    for name, prediction in zip(names or range(1, len(predictions) + 1), predictions, strict=True):
        values = "  ".join(f"{key}={_short(value)}" for key, value in prediction.items())
        print(printable(f"{name}  {values}"))


@app.command()
def dashboard(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="[DIR]",
            help="a folder of experiments, or of one, or of any TensorBoard logs (default: results)",
            show_default=False,
        ),
    ] = Path("results"),
    host: Annotated[
        str,
        typer.Option(metavar="HOST", help="address to listen at; others than this machine's ask for a token"),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="port to listen at (default: 8765, else a free one)")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="who opens it must have it (default: made where it is needed)"),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="stop, enqueue and note from the page; asks for a token")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="print the URL and open no browser")] = False,
) -> None:
    """Look at experiments in the browser, also while they run."""
    from tuner.dashboard.opening import serve

    serve(folder, host=host, port=port, token=token, control=control, browse=not no_open, say=_say)


def _say(url: str) -> None:
    print(f"dashboard of results at {url}\nCtrl-C ends it", flush=True)


@app.command()
def submit(
    spec: Spec,
    address: Annotated[
        str, typer.Option(metavar="URL", help="the cluster's job server, e.g. http://HEAD:8265")
    ],
    set_: Set = None,
    trials: Trials = None,
    name: Name = None,
    results: Annotated[str, typer.Option(metavar="DIR", help="folder of results there")] = "results",
    wait: Annotated[bool, typer.Option("--wait", help="follow the log until the job has ended")] = False,
) -> None:
    """Run on a Ray cluster as a Ray job."""
    from tuner.execution.jobs import submit_job

    experiment = _load(spec, set_).replace(trials=trials, name=name)
    job = submit_job(experiment, address, results=results)
    print(f"submitted {job.id} to {address}", flush=True)
    if wait:
        sys.exit(0 if job.follow(print) else 1)
    print(f"Next: ray job logs --address {address} --follow {job.id}")


@app.command()
def simulate(
    curves: Annotated[
        str, typer.Option(metavar="CURVES", help="recorded curves: FILE.npz; computed ones: module:function")
    ],
    space: Annotated[Path, typer.Option(metavar="FILE", help="YAML mapping of name to domain")],
    task: Annotated[str | None, typer.Option(metavar="NAME", help="a task in the .npz file")] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="a metric in the .npz file, or the function's name for it"),
    ] = None,
    mode: Annotated[str, typer.Option(metavar="MODE", help="the better direction: min or max")] = "min",
    sampler: Annotated[
        str, typer.Option(metavar="NAME", help="its name or mapping, e.g. '{type: tpe, startup: 20}'")
    ] = "auto",
    scheduler: Annotated[
        str,
        typer.Option(metavar="NAME", help="its name or mapping, e.g. '{type: asha, variant: promotion}'"),
    ] = "auto",
    workers: Annotated[int, typer.Option(metavar="N", help="gangs that train at once")] = 4,
    budget: Annotated[
        float | None, typer.Option(metavar="B", help="compute in full trainings (default: 20)")
    ] = None,
    budgets: Annotated[
        str | None, typer.Option(metavar="B,B...", help="budgets to report (default: 1,2,5,10 ...)")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(metavar="N", help="at most so many trials (default: what the budget holds)")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N|S,S...", help="how many, or a list of them")] = "5",
    ask_seconds: Annotated[
        str | None,
        typer.Option(metavar="S", help="time of an ask: seconds, or measured (default: asking is free)"),
    ] = None,
    report_seconds: Annotated[
        float, typer.Option(metavar="S", help="time between two reports of a trial")
    ] = 1.0,
    ahead: Annotated[int, typer.Option(metavar="N", help="suggestions held ready ahead of need")] = 0,
    as_json: Json = False,
) -> None:
    """Replay learning curves through a sampler and a scheduler, on a virtual clock."""
    options = {option: value for option, value in locals().items() if option != "as_json"}
    from tuner import simulation

    found = simulation.run(simulation.Request(**options))
    if as_json:
        _print_json(found)
        return
    console = _console()
    console.print(simulation.as_table(found))
    console.print(simulation.summary(found), soft_wrap=True)


def _print_json(tree: Any, indent: int | None = 2) -> None:
    """JSON has no number that is not finite: null stands there, as for what is absent."""
    from tuner.dashboard.tables import plain

    print(json.dumps(plain(tree), indent=indent))


def _load(spec: Path, overrides: list[str] | None) -> "Experiment":
    from tuner.spec import Experiment

    return Experiment.load(spec, overrides or ())


def _check_writable(html: Path) -> None:
    if html.is_dir():
        raise UsageError(f"--html needs a file to write; found the folder {html}; name a file in it.")
    if not html.parent.is_dir():
        raise UsageError(f"--html needs a file in a folder that is there; found {html}; make the folder.")


def _console(stderr: bool = False) -> Console:
    """Text goes out as it is; in a pipe a line is never broken."""
    console = Console(stderr=stderr, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def _print_summary(console: Console, result: "Result", took: str) -> None:
    counts = ", ".join(f"{count} {state.value}" for state, count in result.num_by_state().items())
    _print_best(console, result)
    planned = result.settings["search"]["trials"]
    console.print(f"{len(result.search_rows)} of {planned} trials in {took}: {counts}")
    if result.end_reason is not None:
        console.print(f"the search ended early: {result.end_reason}", soft_wrap=True, markup=False)
    saved = result.saved_share(result.max_reports)
    if saved is not None:
        spent = sum(row.reports for row in result.search_rows)
        full = len(result.search_rows) * (result.max_reports or 0)
        console.print(
            f"early stopping saved {saved:.0%} of the compute: {spent} of {full} reports were trained"
        )
    folder = _near(result.paths.root)
    console.print(
        f"results in {folder}. Next:\n"
        f"  tuner status {folder}\n"
        f"  tuner best {folder} --export best\n"
        f"  tensorboard --logdir {folder}/trials",
        soft_wrap=True,
    )


def _near(path: Path) -> Path:
    """`path` as one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _print_best(console: Console, result: "Result") -> None:
    from tuner.results.confirmation import in_words

    console.print(_best_table(result))
    if len(result.objectives) > 1:
        console.print(_front_table(result))
    if result.confirmation is not None:
        console.print(_confirmation_table(result.confirmation))
        console.print(in_words(result.confirmation), soft_wrap=True)


def _best_table(result: "Result") -> Table:
    found = result.best
    title = f"best trial: {found.number}"
    if found.confirmed is not None:
        title += f" (means of {len(found.confirmed.runs)} fresh runs)"
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in found.params.items():
        table.add_row(name, _short(value))
    table.add_section()
    for name, value in found.metrics.items():
        table.add_row(f"best {name}", _metric(name, value))
    for name, estimate in _test_metrics(result).items():
        table.add_row(f"test/{name}", _estimate_text(estimate))
    return table


def _front_table(result: "Result") -> Table:
    table = Table(title="Pareto front", title_justify="left", box=None, header_style="bold", pad_edge=False)
    names = list(dict.fromkeys(name for row in result.front_rows for name in row.params))
    for column in ("trial", *result.objectives, *names):
        table.add_column(column)
    for row in result.front_rows:
        values = [_metric(metric, row.objectives[metric]) for metric in result.objectives]
        params = [_short(row.params.get(name)) for name in names]
        table.add_row(str(row.number), *values, *params)
    return table


def _confirmation_table(confirmation: "Confirmation") -> Table:
    table = Table(title="confirmation", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in ("trial", "search", "fresh mean", "optimism", "runs", "failed"):
        table.add_column(column)
    for trial in confirmation.ranking:
        planned = len(trial.runs) + trial.num_failed + trial.num_missing
        table.add_row(
            str(trial.number),
            _short(trial.search_value),
            _estimate_text(trial.score),
            _short(trial.optimism),
            f"{len(trial.runs)}/{planned}",
            str(trial.num_failed),
        )
    return table


def _test_metrics(result: "Result") -> "dict[str, Estimate]":
    """Of the best trial's kept weights; nothing where there is no test split or no model of ours.

    Where trials are confirmed, it is only for the winner: the test split is there to be used once.
    """
    waits = result.confirm is not None and result.best.confirmed is None
    if result.is_function or waits:
        return {}
    try:
        return result.best.estimate("test")
    except UsageError as error:
        # The configuration is worth showing also where data or weights have been cleared away since.
        _complain(f"not measured on the test split: {error}")
        return {}


def _best_json(result: "Result") -> dict[str, Any]:
    from tuner.results.confirmation import as_json

    found, tested = result.best, _test_metrics(result)
    return {
        "experiment": str(result.paths.root),
        "trial": found.number,
        "params": dict(found.params),
        "metric": result.metric,
        "value": found.value,
        "metrics": dict(found.metrics),
        "test": {name: estimate.mean for name, estimate in tested.items()},
        "test_standard_error": {name: estimate.standard_error for name, estimate in tested.items()},
        "front": [_front_json(row) for row in result.front_rows],
        "confirmation": result.confirmation and as_json(result.confirmation),
    }


def _front_json(row: "TrialRow") -> dict[str, Any]:
    return {"trial": row.number, "params": row.params, "metrics": row.objectives}


def _print_trials(result: "Result", as_json: bool) -> None:
    if as_json:
        print(result.trials.to_json(orient="records"))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("trial", "state", result.metric, "reports", "seconds", "reason"):
        table.add_column(column, overflow="fold")
    for row in result.rows:
        value = row.best.get(result.metric)
        reason = row.reason if row.confirms is None else f"fresh run of trial {row.confirms}: {row.reason}"
        table.add_row(
            str(row.number), row.state.value, _short(value), str(row.reports), _short(row.seconds), reason
        )
    console = _console()
    console.print(table)
    ways = {"interrupted": "go on with: tuner resume", "running": "end it with: tuner stop"}
    if result.standing in ways:
        way = f"{result.standing}; {ways[result.standing]} {_near(result.paths.root)}"
        console.print(way, soft_wrap=True)


def _readable_status(result: "Result") -> dict[str, Any] | None:
    """The experiment's line; where its files are damaged a complaint, so that the others still show."""
    try:
        return _status_json(result)
    except TunerError as error:
        _complain(f"{result.paths.root.name} is left out: {error}")
        return None


def _experiments_table(lines: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("experiment", "is", "trials", "states", "metric", "best"):
        table.add_column(column)
    for line in lines:
        states = ", ".join(f"{count} {state}" for state, count in line["states"].items())
        found = [line["experiment"], line["is"], str(line["trials"]), states, line["metric"]]
        table.add_row(*found, _short(line["best"]))
    return table


def _status_json(result: "Result") -> dict[str, Any]:
    from tuner.records.rows import best_row

    row = best_row(result.rows, result.metric, result.mode)
    return {
        "experiment": result.paths.root.name,
        "is": result.standing,
        "trials": len(result.search_rows),
        "states": {state.value: count for state, count in result.num_by_state().items()},
        "metric": result.metric,
        "best": result.best.value if row else None,
    }


def _check_json(experiment: "Experiment") -> dict[str, Any]:
    return {
        "name": experiment.name,
        "task": experiment.task,
        "trials": experiment.search.trials,
        "max_reports": experiment.max_reports,
        "space": [_parameter_json(parameter) for parameter in experiment.space.parameters],
    }


def _parameter_json(parameter: "Parameter") -> dict[str, Any]:
    from tuner.spec.domains import Choice, to_plain

    domain = parameter.domain
    return {
        "name": parameter.name,
        "domain": {"choice": list(domain.labels)} if isinstance(domain, Choice) else to_plain(domain),
        "when": dict(parameter.conditions),
    }


def _space_table(experiment: "Experiment") -> Table:
    table = Table(title="space", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in ("parameter", "domain", "when"):
        table.add_column(column)
    for parameter in experiment.space.parameters:
        line = _parameter_json(parameter)
        conditions = [f"{name} = {value}" for name, value in line["when"].items()]
        table.add_row(line["name"], _domain_text(line["domain"]), ", ".join(conditions))
    return table


def _domain_text(domain: dict[str, Any]) -> str:
    (kind, values), *rest = domain.items()
    joined = (", " if kind == "choice" else " .. ").join(_short(value) for value in values)
    return " ".join([kind, joined, *("log" if key == "log" else f"step {value}" for key, value in rest)])


def _estimate_text(estimate: "Estimate | None") -> str:
    if estimate is None or estimate.standard_error is None:
        return _short(estimate and estimate.mean)
    return f"{_short(estimate.mean)} ± {estimate.standard_error:.2g}"


def _metric(name: str, value: float | None) -> str:
    """Weights are counted to the last one."""
    return f"{value:,.0f}" if name.startswith("model/") and value is not None else _short(value)


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
