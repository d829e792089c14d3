"""Runs an experiment on Ray Tune, from the checks before anything starts to the last table; or goes on.

Order: everything that can be wrong is looked at first (the results folder, the warm start, the cluster's
size, the precision, pretrained models, the data); then the experiment's folder is made; then Tune drives the
conductor. A folder that holds a search already differs only in what its `decisions.jsonl` says.
"""

import errno
import inspect
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray._private import worker as ray_worker
from ray.tune.error import TuneError

from tuner.data import Store, fingerprint, localised, num_bytes, prepare, remove_stages
from tuner.errors import Interrupted, ResourceError, ResultsError, StorageError, UsageError
from tuner.execution.bridge import Carriers, Gangs, TuneScheduler, TuneSearcher, trial_name
from tuner.execution.checks import (
    check_fit,
    check_precision,
    check_pretrained,
    check_pretrained_images,
    check_stop,
    check_warm_start,
)
from tuner.execution.conductor import Conductor, Listener, new_state
from tuner.execution.placement import GangSize, NodeSize, local_node, num_gangs, size_gang
from tuner.execution.population import Population
from tuner.execution.ray_data import over_ray_data
from tuner.execution.resume import catch_up, check_changes, replay, stored_experiment
from tuner.execution.trainable import TrialRunner
from tuner.records.environment import environment
from tuner.records.files import atomic_write, atomic_write_json
from tuner.records.lock import hold
from tuner.records.paths import ExperimentPaths
from tuner.records.versions import read_versions
from tuner.search.ahead import make_asker
from tuner.search.factory import make_scheduler, make_searcher
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.scheduler import Scheduler
from tuner.spec import Experiment
from tuner.spec.sections import DataSpec, Pb2, Pbt, TrialSpec
from tuner.training.job import TrainFunction

CONNECT_TIMEOUT_S = 10.0
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}
"""What a disk says that does not take what is written."""

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # The runner has handlers of its own.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": str(24 * 3600),
    "TUNE_WARN_THRESHOLD_S": "60",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # The experiment's folder is the truth; Tune's own snapshots would only cost time.
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def run_experiment(
    experiment: Experiment,
    results: Path,
    *,
    address: str | None = None,
    listeners: Sequence[Listener] = (),
) -> ExperimentPaths:
    """Runs the whole search; returns the paths of its folder under `results`.

    Args:
        address: of a running Ray cluster (`host:port` or `auto`); None starts one on this machine.
        listeners: called with the conductor whenever a trial changes.

    Raises:
        UsageError: what was asked for is wrong; nothing was left behind.
        StorageError: the disk or the study's database does not take what the search writes.
        ExperimentError: also when a function of one's own reports no metric of that name, which its first
            report tells: the search has ended with it, and the trials that ran keep their rows.
    """
    paths = ExperimentPaths(results.resolve() / experiment.name)
    check_is_free(paths)
    check_warm_start(experiment)
    with _saying_how_to_go_on(paths), _dropping_stages(paths), _cluster_of(address) as (nodes, cluster):
        size = size_gang(experiment.resources, nodes)
        specs = list(experiment.representatives())
        check_stop(experiment, size)
        check_precision(specs, size)
        check_pretrained(specs)
        versions: dict[str, str] = {}
        with _undone_where_refused(paths) as made:
            store_of = _prepare(experiment, specs, paths.store_root, made, versions, cluster)
            _make_folder(experiment, paths, versions)
            # Opened here, where a database that does not answer leaves nothing behind.
            searcher = _searcher(experiment, paths)
        with _held(paths):
            _search(experiment, paths, searcher, store_of, size, num_gangs(size, nodes), listeners, cluster)
    return paths


def resume_experiment(
    folder: Path,
    *,
    function: TrainFunction | None = None,
    changes: Mapping[str, Any] | None = None,
    address: str | None = None,
    listeners: Sequence[Listener] = (),
) -> ExperimentPaths:
    """Goes on with the search in a folder, whatever ended its last run; does nothing where it is done.

    Args:
        function: the one that trains, where it is one of one's own.
        changes: fields of the experiment to replace, as in `Experiment.replace`.

    Raises:
        UsageError: the folder holds no experiment, or what it holds cannot go on as asked.
        StorageError: the disk or the study's database does not take what the search writes.
        Interrupted: the run was told to end before the search has.
    """
    paths = ExperimentPaths(folder.resolve())
    experiment = stored_experiment(paths, function)
    with _held(paths), _saying_how_to_go_on(paths), _dropping_stages(paths):
        changed = experiment.replace(**(changes or {}))
        check_changes(paths.decisions, experiment.search, changed.search)
        experiment = changed
        with _cluster_of(address) as (nodes, cluster):
            size = size_gang(experiment.resources, nodes)
            specs = list(experiment.representatives())
            check_precision(specs, size)
            check_pretrained(specs)
            store_of = _prepare(experiment, specs, paths.store_root, [], read_versions(paths), cluster)
            searcher = _searcher(experiment, paths)
            atomic_write(paths.experiment_yaml, experiment.to_yaml())
            _search(experiment, paths, searcher, store_of, size, num_gangs(size, nodes), listeners, cluster)
    return paths


def check_is_free(paths: ExperimentPaths) -> None:
    """Raises ResultsError when the folder holds something already, or cannot be made."""
    for path in (paths.root, *paths.root.parents):
        if path.exists() and not path.is_dir():
            raise ResultsError(
                f"results need a folder, but {path} is a file; choose another with --name or --results."
            )
    if paths.root.is_symlink():
        raise ResultsError(
            f"an experiment needs a folder of its own, but {paths.root} is a link; "
            f"choose another with --name or --results."
        )
    if paths.root.exists() and any(paths.root.iterdir()):
        holds_one = paths.experiment_yaml.is_file()
        found = "holds one, with which `tuner resume` goes on" if holds_one else "holds something else"
        raise ResultsError(
            f"an experiment needs a folder of its own, but {paths.root} already {found}; "
            f"choose another with --name or --results."
        )


def cluster_nodes() -> list[NodeSize]:
    """The living nodes of the joined cluster."""
    return [
        NodeSize(cpus=node["Resources"].get("CPU", 0.0), gpus=node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    ]


Cluster = Callable[[], AbstractContextManager[None]]


@contextmanager
def _cluster_of(address: str | None) -> Iterator[tuple[list[NodeSize], Cluster]]:
    """The nodes, and what makes Ray ready on them: one's own cluster starts only for the search itself."""
    os.environ.update(QUIET)
    if address is None:
        node = local_node()
        yield [node], lambda: _local_cluster(node)
        return
    with _joined_cluster(address):
        yield cluster_nodes(), nullcontext


@contextmanager
def _held(paths: ExperimentPaths) -> Iterator[None]:
    lock = hold(
        paths.lock,
        rule="an experiment is run by one process at a time",
        fix=f"wait for it, or end it with: tuner stop {paths.root}",
    )
    try:
        # Left by a run that was killed; from here on it is for this one, also while that prepares.
        paths.leave.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def _searcher(experiment: Experiment, paths: ExperimentPaths) -> OptunaSearcher:
    return make_searcher(
        experiment.space,
        experiment.search,
        experiment.search.storage or paths.journal,
        study_name=experiment.name,
        max_reports=experiment.max_reports,
    )


def _search(
    experiment: Experiment,
    paths: ExperimentPaths,
    searcher: OptunaSearcher,
    store_of: Callable[[DataSpec], Path],
    size: GangSize,
    gangs: int,
    listeners: Sequence[Listener],
    cluster: Cluster,
) -> None:
    """From where the folder's decisions end to the end of search and confirmation."""
    search, state, scheduler = experiment.search, new_state(experiment), _scheduler(experiment)
    curves = replay(paths.decisions, search, state, scheduler)
    drawn = catch_up(searcher, search, state, curves)
    # Where fewer trials are wanted now than before, more may have been drawn.
    num_left = max(0, search.trials - state.num_suggested - len(drawn))
    conductor = Conductor(
        experiment,
        paths,
        make_asker(searcher, trials=num_left, num_gangs=gangs, drawn=drawn),
        scheduler,
        store_of=store_of,
        num_gangs=gangs,
        gpus_per_gang=size.gpus,
        listeners=listeners,
        state=state,
    )
    try:
        if not conductor.is_done:
            with _quiet_ray(), cluster(), _signals(conductor):
                _drive(conductor, size)
                while conductor.regroup():
                    shutil.rmtree(paths.tune, ignore_errors=True)
                    _drive(conductor, size)
    except KeyboardInterrupt:
        conductor.ask_to_leave("interrupted twice")
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StorageError(_no_room(paths, error)) from error
    finally:
        shutil.rmtree(paths.tune, ignore_errors=True)
        conductor.close(conductor.leave_reason or "the run failed")
        if not conductor.rows:
            # Interrupted before the first trial: there is nothing to keep, and the name stays free.
            shutil.rmtree(paths.root)
    if conductor.error is not None:
        raise conductor.error
    if not conductor.is_done:
        raise Interrupted(_how_to_go_on(conductor))


@contextmanager
def _quiet_ray() -> Iterator[None]:
    """Ray (2.60) prints what a raylet tells of each lost worker, and Tune which trials it has not ended.

    There is no switch for either; the trial's reason and its log say it better.
    """
    logger, printed = logging.getLogger("ray.tune.tune"), ray_worker.print_to_stdstream
    logger.setLevel(logging.CRITICAL)
    ray_worker.print_to_stdstream = lambda *arguments, **options: None
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = printed


@contextmanager
def _signals(conductor: Conductor) -> Iterator[None]:
    """SIGINT and SIGTERM let the search leave; a second SIGINT ends the run at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: Any) -> None:
        if number == signal.SIGINT and conductor.is_asked_to_leave:
            raise KeyboardInterrupt
        conductor.ask_to_leave(signal.Signals(number).name)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _how_to_go_on(conductor: Conductor) -> str:
    ended = sum(row.state.is_finished() for row in conductor.rows.values())
    kept = (
        f"; go on with: tuner resume {conductor.paths.root}" if conductor.rows else ", and nothing was kept"
    )
    return f"the search was interrupted after {ended} of {conductor.experiment.search.trials} trials{kept}"


@contextmanager
def _saying_how_to_go_on(paths: ExperimentPaths) -> Iterator[None]:
    """Completes the sentence of a StorageError: only here it is known where the search is."""
    try:
        yield
    except StorageError as error:
        fix = "nothing was begun: set that right, and begin again"
        if paths.root.exists():
            fix = f"nothing is lost: set that right, and go on with: tuner resume {paths.root}"
        raise StorageError(f"{error}; {fix}") from error


def _no_room(paths: ExperimentPaths, error: OSError) -> str:
    return f"the search must be able to write its results, but {paths.root} does not take them ({error})"


def _scheduler(experiment: Experiment) -> Scheduler:
    if isinstance(experiment.search.scheduler, Pbt | Pb2):
        return Population(experiment)
    return make_scheduler(experiment.search, experiment.max_reports, experiment.space)


def _send_along(function: TrainFunction) -> None:
    """The function's own module travels with it, so that the workers need not be able to import it."""
    module = inspect.getmodule(function)
    if module is not None and module.__name__ != "__main__":
        cloudpickle.register_pickle_by_value(module)


def _drive(conductor: Conductor, size: GangSize) -> None:
    gangs = conductor.num_gangs
    if conductor.experiment.function is not None:
        _send_along(conductor.experiment.function)
    # Tune keeps one pending trial for a searcher that is not random, unless this says otherwise.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(gangs)
    carriers = Carriers()
    # `tune.Tuner` would pickle and copy searcher and scheduler; `tune.run` uses the very objects.
    try:
        tune.run(
            TrialRunner,
            name="run",
            storage_path=str(conductor.paths.tune),
            resources_per_trial=tune.PlacementGroupFactory(size.bundles(), strategy="PACK"),
            search_alg=TuneSearcher(conductor, size, carriers),
            scheduler=TuneScheduler(conductor, gangs, carriers),
            callbacks=[Gangs(conductor)],
            # The conductor counts: Tune would let go of the gangs with the last new trial.
            num_samples=-1,
            reuse_actors=True,
            raise_on_failed_trial=False,
            trial_name_creator=trial_name,
            trial_dirname_creator=trial_name,
            verbose=0,
        )
    except TuneError:
        # Tune wraps an error of the conductor in one of its own.
        conductor.raise_trouble()
        raise


def _prepare(
    experiment: Experiment,
    specs: Sequence[TrialSpec],
    store_root: Path,
    made: list[Path],
    versions: dict[str, str],
    cluster: Cluster,
) -> Callable[[DataSpec], Path]:
    """Prepares the data of the whole space, as far as it can be listed, and the rest on demand."""
    stores: dict[str, Store] = {}
    searched = [parameter.name for parameter in experiment.space.parameters]
    most_bytes = experiment.resources.ray_data_above_mb * 1_000_000

    def store_of(data: DataSpec, *, is_cluster_idle: bool) -> Store:
        key = data.model_dump_json()
        if key not in stores:
            assert experiment.task is not None
            local = localised(data, store_root, versions)
            path = store_root / fingerprint(local, experiment.task)
            is_new = not path.exists()
            if is_new:
                made.append(path)
            # Where gangs have the CPUs, Ray Data would wait for them.
            make = partial(prepare, data, experiment.task, store_root, versions, searched=searched)
            if is_new and is_cluster_idle and num_bytes(local.source) > most_bytes:
                with _quiet_ray(), cluster():
                    stores[key] = make(over_ray_data)
            else:
                stores[key] = make()
        return stores[key]

    for spec in specs:
        check_fit(spec, store_of(spec.data, is_cluster_idle=True).manifest)
    check_pretrained_images(specs, lambda data: store_of(data, is_cluster_idle=True).manifest)
    return lambda data: store_of(data, is_cluster_idle=False).path


def _make_folder(experiment: Experiment, paths: ExperimentPaths, versions: Mapping[str, str]) -> None:
    paths.root.mkdir(parents=True, exist_ok=True)
    if versions:
        atomic_write_json(paths.versions_json, versions)
    atomic_write(paths.experiment_yaml, experiment.to_yaml())
    atomic_write_json(paths.environment_json, environment())


@contextmanager
def _undone_where_refused(paths: ExperimentPaths) -> Iterator[list[Path]]:
    """Removes what the block made when what was asked for is wrong, or the study's database away.

    The block adds each store to the list before it makes it; those of other experiments stay.
    """
    made: list[Path] = []
    parents = [path for path in (paths.store_root, *paths.root.parents) if not path.exists()]
    try:
        yield made
    except (UsageError, StorageError):
        for path in [paths.root, *made]:
            shutil.rmtree(path, ignore_errors=True)
        remove_stages(paths.store_root)
        for path in parents:
            with suppress(OSError):  # not made yet, or somebody else's by now
                path.rmdir()
        raise


@contextmanager
def _dropping_stages(paths: ExperimentPaths) -> Iterator[None]:
    """Removes what stores have in common when no further one is prepared."""
    try:
        yield
    finally:
        remove_stages(paths.store_root)


@contextmanager
def _local_cluster(node: NodeSize) -> Iterator[None]:
    ray.init(
        # Without it Ray joins a cluster that somebody has started on this machine.
        address="local",
        num_cpus=int(node.cpus),
        num_gpus=int(node.gpus),
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=True,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _joined_cluster(address: str) -> Iterator[None]:
    if address != "auto":
        _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except ConnectionError as error:
        raise ResourceError(_no_cluster(address)) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes, and then end the process."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise ResourceError(_no_cluster(address)) from error


def _no_cluster(address: str) -> str:
    return (
        f"--address must name a running Ray cluster (host:port or auto), but none answers at '{address}'; "
        f"start one with `ray start --head`, or leave --address out."
    )
