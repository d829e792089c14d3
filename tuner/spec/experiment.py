"""The experiment: all that a search needs to know, checked, frozen, and the same however it was made.

    Experiment.load("search_spaces/digits_cnn.yaml", overrides=["train.epochs=3"])
    Experiment.from_dict({"name": ..., "task": ..., ...})
    Experiment(train=function, space={"lr": Float(1e-5, 1e-1, log=True)}, metric="val/loss")

The first two train one of our models on one of our tasks, and `resolve` makes a trial's typed
configuration. The third trains by one's own function, and `config` makes its dictionary.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError
from tuner.spec.checking import Parts, check_experiment, check_function, check_trial
from tuner.spec.domains import known, show, to_plain
from tuner.spec.reading import SourceMap, override, read_file, write_text
from tuner.spec.sections import ConfirmSpec, RecoverySpec, ResourcesSpec, SearchSpec, TrialSpec
from tuner.spec.space import Space, space_of
from tuner.spec.template import absolute_paths, materialise
from tuner.tasks.metrics import Mode

Function = Callable[..., Any]
_REPLACEABLE = ("search", "resources", "recovery")


@dataclass(frozen=True, init=False)
class Experiment:
    """Equal to another one of the same content. Its constructor is the door for one's own function."""

    name: str
    """names its folder under results/"""
    task: str | None
    """None where `function` trains"""
    template: dict[str, Any]
    """data, model and train (or the function's space) as a tree in which domains stand for values"""
    search: SearchSpec
    resources: ResourcesSpec
    recovery: RecoverySpec
    confirm: ConfirmSpec | None
    """how the best trials are confirmed with fresh seeds; None: not at all"""
    max_reports: int | None
    """reports of a full training; the most that any configuration has; None: not known"""
    function: Function | None
    """one's own training generator"""

    def __init__(
        self,
        *,
        train: Function,
        space: Mapping[str, Any],
        metric: str,
        mode: Mode = "min",
        name: str | None = None,
        trials: int = 32,
        sampler: str | Mapping[str, Any] = "auto",
        scheduler: str | Mapping[str, Any] = "auto",
        also: Mapping[str, Mode] | None = None,
        constraints: Mapping[str, Mapping[str, float]] | None = None,
        checkpoints: bool = False,
        stop: Mapping[str, Any] | None = None,
        points: Sequence[Mapping[str, Any]] = (),
        warm_start: Sequence[str | Path] = (),
        priors: Mapping[str, Any] | None = None,
        seed: int = 0,
        storage: str | None = None,
        confirm: Mapping[str, int] | None = None,
        workers: int = 1,
        cpus_per_worker: float = 1,
        gpus_per_worker: float | str = "auto",
        recovery: Mapping[str, Any] | None = None,
        max_reports: int | None = None,
    ) -> None:
        """Searches `space` for the configuration with which the generator `train(config, trial)` does best.

        Args:
            train: yields a report, `{metric: value}`, as often as the scheduler may decide.
            space: name -> a domain, a constant, or a mapping of such; becomes `config`.
            metric, mode: what is compared, as the reports name it, and its better direction.
            also, constraints, stop, points, warm_start, priors: as in an experiment file's `search`.
            checkpoints: whether `train` goes on where it was when it is called again with `trial.num_reports`
                above 0; then a scheduler may pause and resume it.
            confirm: `{"top": 3, "seeds": 3}`, as in an experiment file.
            recovery: as in an experiment file, e.g. `{"retries": 0}`.
            name: of the folder of results; None: the function's name.
            max_reports: how many reports a full training yields, if known; with that one a trial is complete.

        Raises:
            ExperimentError: with one line for each thing that is wrong.
        """
        if not callable(train) or not isinstance(space, Mapping):
            raise ExperimentError(
                "an experiment in Python needs a function as train and a mapping as space; "
                f"found {show(train)} and {show(space)}"
            )
        search: dict[str, Any] = {"metric": metric, "mode": mode, "trials": trials, "sampler": sampler}
        search |= {"scheduler": scheduler, "checkpoints": checkpoints, "seed": seed, "storage": storage}
        search |= {"also": dict(also or {}), "constraints": dict(constraints or {}), "stop": dict(stop or {})}
        search |= {"points": list(points), "warm_start": [str(folder) for folder in warm_start]}
        search |= {"priors": dict(priors or {})}
        resources = {
            "workers": workers,
            "cpus_per_worker": cpus_per_worker,
            "gpus_per_worker": gpus_per_worker,
        }
        tree = {
            "name": getattr(train, "__name__", "experiment") if name is None else name,
            "space": space,
            "search": search,
            "resources": resources,
            "recovery": dict(recovery or {}),
        } | ({} if confirm is None else {"confirm": dict(confirm)})
        self._fill(check_function(to_plain(tree), max_reports), train)

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> "Experiment":
        """The experiment in the YAML file at `path`, changed by `overrides` ("path=value").

        Paths of data files and pretrained models, also overridden ones, are relative to the file's folder.

        Raises:
            ExperimentError: with one line, "file:line: sentence", for each thing that is wrong.
        """
        tree, sources = read_file(path)
        if not isinstance(tree, dict):
            raise ExperimentError(f"{path}: an experiment file must hold a mapping; found {show(tree)}")
        return cls._from_tree(tree, sources, overrides, Path(path).parent)

    @classmethod
    def load_with(cls, path: str | Path, train: Function) -> "Experiment":
        """The experiment that `to_yaml` recorded of one that trains by a function, with that function.

        Raises:
            ExperimentError: with one line for each thing that is wrong.
        """
        tree, _ = read_file(path)
        if not isinstance(tree, dict) or "function" not in tree:
            raise ExperimentError(f"{path}: a function needs an experiment that trains by one; found another")
        del tree["function"]
        max_reports = tree.pop("max_reports", None)
        experiment = cls.__new__(cls)
        experiment._fill(check_function(tree, max_reports), train)
        return experiment

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any], *, overrides: Iterable[str] = ()) -> "Experiment":
        """As `load`, from a mapping of the file's form, in which `Domain` objects may stand too.

        Paths of data files are relative to the working directory.
        """
        if not isinstance(mapping, Mapping):
            raise ExperimentError(
                f"an experiment must be a mapping; found {show(mapping)}; give its sections"
            )
        return cls._from_tree(to_plain(mapping), {}, overrides, Path.cwd())

    @classmethod
    def _from_tree(
        cls, tree: dict[str, Any], sources: SourceMap, overrides: Iterable[str], folder: Path
    ) -> "Experiment":
        for text in overrides:
            override(tree, sources, text)
        if "function" in tree:
            raise ExperimentError(
                "an experiment file cannot hold a training function; "
                f"found {show(tree['function'])}; start it from Python with tuner.run"
            )
        for section in ("data", "model"):
            if isinstance(tree.get(section), dict):
                tree[section] = absolute_paths(tree[section], folder)
        experiment = cls.__new__(cls)
        experiment._fill(check_experiment(tree, sources), None)
        return experiment

    def _fill(self, parts: Parts, function: Function | None) -> None:
        for field in fields(parts):
            object.__setattr__(self, field.name, getattr(parts, field.name))
        object.__setattr__(self, "function", function)

    @cached_property
    def space(self) -> Space:
        """What is searched."""
        return space_of(self.template)

    def resolve(self, params: Mapping[str, Any]) -> TrialSpec:
        """The concrete configuration of the trial with `params` (name -> value, all active ones).

        Raises:
            ExperimentError: a value is outside its domain, or a rule between searched values is broken.
        """
        assert self.task is not None, "a function's experiment has no sections; use config"
        return check_trial(self.task, self.config(params), self.resources)

    def config(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The template with `params` put in, as a fresh plain dictionary: what a function gets.

        Raises:
            ExperimentError: a value is missing or outside its domain.
        """
        self.space.check(params)
        config: dict[str, Any] = materialise(self.template, params)
        return config

    def representatives(self) -> Iterator[TrialSpec]:
        """Configurations that together show every option and every end of a range, in all pairs.

        None where a function trains.
        """
        if self.function is None:
            yield from map(self.resolve, self.space.corners())

    def replace(self, *, name: str | None = None, **changes: Any) -> "Experiment":
        """A checked copy with other values of `name` or of a field of search, resources or recovery.

        experiment.replace(name="long", trials=64, workers=2)
        """
        tree = self._tree()
        tree["name"] = self.name if name is None else name
        for key, value in changes.items():
            holders = [tree[section] for section in _REPLACEABLE if key in tree[section]]
            if not holders:
                allowed = ["name", *(field for section in _REPLACEABLE for field in tree[section])]
                raise ExperimentError(f"{key!r} is not a field that replace knows{known(key, allowed)}")
            if value is not None:
                holders[0][key] = value
        if self.function is None:
            return Experiment.from_dict(tree)
        copy = Experiment.__new__(Experiment)
        copy._fill(check_function(tree, self.max_reports), self.function)
        return copy

    def to_yaml(self) -> str:
        """The experiment file, defaults filled in where nothing is searched; `load` gives an equal one.

        A function's experiment is written for the record only: its function cannot be loaded.
        """
        tree = self._tree()
        if self.function is not None:
            named = getattr(self.function, "__qualname__", repr(self.function))
            named = f"{getattr(self.function, '__module__', '')}:{named}"
            tree = {"function": named, "max_reports": self.max_reports, **tree}
        return write_text(tree)

    def _tree(self) -> dict[str, Any]:
        content = {"space": self.template} if self.task is None else {"task": self.task, **self.template}
        fixed = {section: getattr(self, section).model_dump() for section in _REPLACEABLE}
        confirm = {} if self.confirm is None else {"confirm": self.confirm.model_dump()}
        plain: dict[str, Any] = to_plain({"name": self.name, **content, **fixed, **confirm})
        return plain
