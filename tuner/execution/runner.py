"""Runs an experiment on Ray Tune, from the checks before anything starts to the last table.

Order: everything that can be wrong is looked at first (the results folder, the warm start, the cluster's
size, the precision, the data); then the experiment's folder is made; then Tune drives the conductor.
"""

import inspect
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune

from tuner.data import Store, fingerprint, prepare
from tuner.errors import ResourceError, ResultsError, UsageError
from tuner.execution.bridge import Gangs, GoingOn, TuneScheduler, TuneSearcher, trial_name
from tuner.execution.checks import check_fit, check_precision, check_stop, check_warm_start
from tuner.execution.conductor import Conductor, Listener
from tuner.execution.placement import GangSize, NodeSize, local_node, num_gangs, size_gang
from tuner.execution.population import Population
from tuner.execution.trainable import TrialRunner
from tuner.records.environment import environment
from tuner.records.files import atomic_write, atomic_write_json
from tuner.records.paths import ExperimentPaths
from tuner.search.ahead import make_asker
from tuner.search.factory import make_scheduler, make_searcher
from tuner.search.scheduler import Scheduler
from tuner.spec import DataSpec, Experiment, Pb2, Pbt, TrialSpec
from tuner.training.job import TrainFunction

CONNECT_TIMEOUT_S = 10.0
INTERRUPTED = "the search was interrupted"

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
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
        ExperimentError: also when a function of one's own reports no metric of that name, which its first
            report tells: the search has ended with it, and the trials that ran keep their rows.
    """
    paths = ExperimentPaths(results.resolve() / experiment.name)
    check_is_free(paths)
    check_warm_start(experiment)
    os.environ.update(QUIET)
    if address is None:
        nodes = [local_node()]
        return _run(experiment, paths, nodes, listeners, cluster=lambda: _local_cluster(nodes[0]))
    with _joined_cluster(address):
        return _run(experiment, paths, cluster_nodes(), listeners, cluster=_nothing)


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
        raise ResultsError(
            f"an experiment needs a folder of its own, but {paths.root} already holds one; "
            f"choose another with --name or --results."
        )


def cluster_nodes() -> list[NodeSize]:
    """The living nodes of the joined cluster."""
    return [
        NodeSize(cpus=node["Resources"].get("CPU", 0.0), gpus=node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    ]


def _run(
    experiment: Experiment,
    paths: ExperimentPaths,
    nodes: Sequence[NodeSize],
    listeners: Sequence[Listener],
    cluster: Callable[[], Any],
) -> ExperimentPaths:
    size = size_gang(experiment.resources, nodes)
    specs = list(experiment.representatives())
    check_stop(experiment, size)
    check_precision(specs, size)
    with _undone_where_refused(paths) as made:
        store_of = _prepare(experiment, specs, paths.store_root, made)
        _make_folder(experiment, paths)
        searcher = make_searcher(
            experiment.space,
            experiment.search,
            experiment.search.storage or paths.journal,
            study_name=experiment.name,
            max_reports=experiment.max_reports,
        )
    gangs = num_gangs(size, nodes)
    conductor = Conductor(
        experiment,
        paths,
        make_asker(searcher, trials=experiment.search.trials, num_gangs=gangs),
        _scheduler(experiment),
        store_of=store_of,
        num_gangs=gangs,
        gpus_per_gang=size.gpus,
        listeners=listeners,
    )
    try:
        with cluster():
            _drive(conductor, size, gangs)
    finally:
        conductor.close(INTERRUPTED)
        shutil.rmtree(paths.tune, ignore_errors=True)
        if not conductor.rows:
            # Interrupted before the first trial: there is nothing to keep, and the name stays free.
            shutil.rmtree(paths.root)
    if conductor.error is not None:
        raise conductor.error
    return paths


def _scheduler(experiment: Experiment) -> Scheduler:
    if isinstance(experiment.search.scheduler, Pbt | Pb2):
        return Population(experiment)
    return make_scheduler(experiment.search, experiment.max_reports, experiment.space)


def _send_along(function: TrainFunction) -> None:
    """The function's own module travels with it, so that the workers need not be able to import it."""
    module = inspect.getmodule(function)
    if module is not None and module.__name__ != "__main__":
        cloudpickle.register_pickle_by_value(module)


def _drive(conductor: Conductor, size: GangSize, gangs: int) -> None:
    if conductor.experiment.function is not None:
        _send_along(conductor.experiment.function)
    # Tune keeps one pending trial for a searcher that is not random, unless this says otherwise.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(gangs)
    bundles = [size.bundle()] if size.workers == 1 else [{}, *[size.bundle()] * size.workers]
    going_on = GoingOn()
    # `tune.Tuner` would pickle and copy searcher and scheduler; `tune.run` uses the very objects.
    tune.run(
        TrialRunner,
        name="run",
        storage_path=str(conductor.paths.tune),
        resources_per_trial=tune.PlacementGroupFactory(bundles, strategy="PACK"),
        search_alg=TuneSearcher(conductor, size, going_on),
        scheduler=TuneScheduler(conductor, gangs, going_on),
        callbacks=[Gangs(conductor)],
        # The conductor counts: Tune would let go of the gangs with the last new trial.
        num_samples=-1,
        reuse_actors=True,
        raise_on_failed_trial=False,
        trial_name_creator=trial_name,
        trial_dirname_creator=trial_name,
        verbose=0,
    )


def _prepare(
    experiment: Experiment, specs: Sequence[TrialSpec], store_root: Path, made: list[Path]
) -> Callable[[DataSpec], Path]:
    """Prepares the data of the whole space, as far as it can be listed, and the rest on demand."""
    stores: dict[str, Store] = {}

    def store_of(data: DataSpec) -> Store:
        key = data.model_dump_json()
        if key not in stores:
            assert experiment.task is not None
            path = store_root / fingerprint(data, experiment.task)
            if not path.exists():
                made.append(path)
            stores[key] = prepare(data, experiment.task, store_root)
        return stores[key]

    for spec in specs:
        check_fit(spec, store_of(spec.data).manifest)
    return lambda data: store_of(data).path


def _make_folder(experiment: Experiment, paths: ExperimentPaths) -> None:
    paths.root.mkdir(parents=True, exist_ok=True)
    atomic_write(paths.experiment_yaml, experiment.to_yaml())
    atomic_write_json(paths.environment_json, environment())


@contextmanager
def _undone_where_refused(paths: ExperimentPaths) -> Iterator[list[Path]]:
    """Removes what the block made when it finds that what was asked for is wrong.

    The block adds each store to the list before it makes it; those of other experiments stay.
    """
    made: list[Path] = []
    parents = [path for path in (paths.store_root, *paths.root.parents) if not path.exists()]
    try:
        yield made
    except UsageError:
        for path in [paths.root, *made]:
            shutil.rmtree(path, ignore_errors=True)
        for path in parents:
            with suppress(OSError):  # not made yet, or somebody else's by now
                path.rmdir()
        raise


@contextmanager
def _local_cluster(node: NodeSize) -> Iterator[None]:
    ray.init(
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


@contextmanager
def _nothing() -> Iterator[None]:
    yield
