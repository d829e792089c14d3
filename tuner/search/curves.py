"""Learning curves to replay: recorded ones in a table, or computed ones from a function.

    curves = load_table(path, task, metric, template)          # an .npz, answered by the nearest neighbour
    curves = load_function("my_module:curve", template)        # configuration -> the metric at every report
    curves.curve({"lr": 0.1})                                  # float64[num_steps]; NaN or inf: diverged
    curves.reference("min")                                    # best known value, median of final values

A table is exact about the configurations it holds and wrong in between: with 1000 points in 8 dimensions a
proposal's nearest neighbour is far off, so that a sampler sees a landscape of plateaus. All samplers see the
same one, which makes a comparison fair, not the figures absolute.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tuner.errors import DataError, ExperimentError, UsageError
from tuner.search.distributions import num_values, step_value
from tuner.spec.domains import Choice, Float, Int, known, nearest, show
from tuner.spec.space import Parameter, Space, space_of
from tuner.spec.template import materialise
from tuner.tasks.metrics import Mode

Curve = NDArray[np.float64]
CurveFunction = Callable[[dict[str, Any]], Any]

NUM_SAMPLES = 1000
"""Random configurations from which a function's reference is taken."""


class Reference(NamedTuple):
    """Between what a regret is measured: 1 is the median, 0 the best."""

    best: float
    """best known value at any step"""
    median: float
    """median of final values, of which those that are not finite count as the worst finite one"""


class Curves(Protocol):
    """What a simulated trial reports."""

    space: Space

    @property
    def num_steps(self) -> int:
        """Reports of a full training."""

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """float64[num_steps]: the metric at report 1, 2 ...; NaN or inf where training diverged."""

    def reference(self, mode: Mode) -> Reference:
        """The best value and the median final value that are known."""


def reference_of(curves: NDArray[np.floating[Any]], mode: Mode) -> Reference:
    """The reference in the recorded `curves` [num_configurations, num_steps].

    Raises DataError when no value, or no final value, is finite.
    """
    sign = 1.0 if mode == "min" else -1.0
    losses = sign * curves.astype(np.float64)
    finals = losses[:, -1]
    is_finite = np.isfinite(finals)
    if not is_finite.any():
        raise DataError(
            f"curves need at least one that ends finite; found none among {len(losses)}; "
            "check the metric and the space"
        )
    worst = finals[is_finite].max()
    median = float(np.median(np.where(is_finite, finals, worst)))
    best = float(losses[np.isfinite(losses)].min())
    return Reference(sign * best, sign * median)


# --- a table ---


class UnitCube:
    """A space of numbers as the unit cube: even in the logarithm where the domain is log.

    An option of a choice (of numbers) is its position, spread over [0, 1].
    """

    def __init__(self, space: Space) -> None:
        self._columns = [_column(parameter) for parameter in space.parameters]
        self._names = [parameter.name for parameter in space.parameters]

    def point(self, params: Mapping[str, Any]) -> NDArray[np.float64]:
        """float64[num_parameters]"""
        values = np.array([[float(params[name]) for name in self._names]])
        return self.points(values).ravel()

    def points(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64[n, num_parameters] of values in their own units -> the same in the unit cube."""
        columns = zip(self._columns, values.T, strict=True)
        return np.stack([to_unit(column) for to_unit, column in columns], axis=1)


ToUnit = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _column(parameter: Parameter) -> ToUnit:
    domain = parameter.domain
    if isinstance(domain, Choice):
        return _choice_to_unit(parameter.name, domain)
    return _range_to_unit(domain)


def _range_to_unit(domain: Float | Int) -> ToUnit:
    scale: ToUnit = np.log if domain.log else np.asarray
    low, high = scale(np.array([domain.low, domain.high], dtype=np.float64))
    return lambda values: (scale(values) - low) / (high - low)


def _choice_to_unit(name: str, domain: Choice) -> ToUnit:
    if not all(isinstance(label, int | float) for label in domain.labels):
        raise ExperimentError(
            f"a table of curves holds numbers; found {name} with the options {show(list(domain.labels))}; "
            "use numbers, or a function as --curves"
        )
    options = np.array(domain.labels, dtype=np.float64)
    last = max(len(options) - 1, 1)
    return lambda values: np.abs(values[:, None] - options).argmin(1) / last


class TableCurves:
    """Recorded curves; a proposal is answered by its nearest neighbour in the unit cube of the space.

    `values`: float64[n, num_parameters] in the order of the space; `curves`: [n, num_steps].
    """

    def __init__(self, space: Space, values: NDArray[np.float64], curves: NDArray[np.floating[Any]]) -> None:
        self.space = space
        self._cube = UnitCube(space)
        self._points = self._cube.points(values)
        self._curves = curves.astype(np.float64)

    @property
    def num_steps(self) -> int:
        return int(self._curves.shape[1])

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """The curve of the row nearest to `params`."""
        distances = ((self._points - self._cube.point(params)) ** 2).sum(1)
        nearest_curve: Curve = self._curves[distances.argmin()]
        return nearest_curve

    def reference(self, mode: Mode) -> Reference:
        """Over all rows of the table."""
        return reference_of(self._curves, mode)


def load_table(
    path: str | Path, task: str | None, metric: str | None, template: Mapping[str, Any]
) -> TableCurves:
    """The curves of `metric` on `task` in the archive at `path`, over the space in `template`.

    The archive holds `hp_names` [p], `metric_names` [m], and for every task `hp__<task>` float [n, p] and
    `curve__<task>` float [n, num_steps, m]. `task` and `metric` may be None where there is only one.

    Raises:
        DataError: the file, a key, the task, or the metric is missing, shapes do not fit, or a configuration
            is not finite.
        ExperimentError: the space does not have the table's parameters, or not numbers.
    """
    archive = _read_archive(Path(path))
    task = _pick("task", task, _tasks(archive, path), path)
    metrics = [str(name) for name in _array(archive, "metric_names", path)]
    column = metrics.index(_pick("metric", metric, metrics, path))
    names = [str(name) for name in _array(archive, "hp_names", path)]
    values, curves = _array(archive, f"hp__{task}", path), _array(archive, f"curve__{task}", path)
    _check_shapes(path, task, values.shape, curves.shape, (len(names), len(metrics)))
    _check_finite(path, task, values, names)
    space = space_of(template)
    order = _order(space, names, path)
    return TableCurves(space, values[:, order].astype(np.float64), curves[:, :, column])


_KEYS = "a table of curves needs the keys hp_names, metric_names, hp__<task> and curve__<task>"


def _read_archive(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, TokenError, NotImplementedError, BadZipFile) as error:
        others = [] if path.exists() else [other.name for other in path.parent.glob("*.npz")]
        near = nearest(path.name, others)
        raise DataError(
            f"--curves must be a readable .npz file or module:function; found {str(path)!r} "
            f"({type(error).__name__}: {error}); check the path{near}"
        ) from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"--curves must be an .npz archive; found one array in {path}; save it by np.savez")
    return archive


def _array(archive: Mapping[str, NDArray[Any]], key: str, path: str | Path) -> NDArray[Any]:
    if key not in archive:
        raise DataError(f"{path}: {_KEYS}; found no {key}{known(key, archive)}")
    try:
        return archive[key]
    except Exception as error:
        # What numpy and zipfile raise for a damaged file depends on the place of the damage.
        raise DataError(
            f"{path}: {_KEYS}; found {key} damaged ({type(error).__name__}: {error}); put back a copy"
        ) from error


def _pick(what: str, name: str | None, names: Sequence[str], path: str | Path) -> str:
    if name is None and len(names) == 1:
        return names[0]
    if name is None or name not in names:
        found = f"no --{what}" if name is None else show(name)
        raise DataError(
            f"{path}: --{what} must be one that is in the table; found {found}{known(name, names)}"
        )
    return name


def _tasks(archive: Mapping[str, NDArray[Any]], path: str | Path) -> list[str]:
    """The tasks that have curves."""
    tasks = [key.removeprefix("curve__") for key in archive if key.startswith("curve__")]
    if not tasks:
        raise DataError(f"{path}: {_KEYS}; found no key that begins with curve__ among {', '.join(archive)}")
    return tasks


def _check_finite(
    path: str | Path, task: str, values: NDArray[np.floating[Any]], names: Sequence[str]
) -> None:
    """A row that lies nowhere would be the nearest neighbour of everything."""
    if not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{path}: hp__{task} must hold numbers; found {values.dtype}; save it as floats")
    is_bad = ~np.isfinite(values)
    if is_bad.any():
        row, column = np.argwhere(is_bad)[0]
        raise DataError(
            f"{path}: hp__{task} must be finite; found {values[row, column]} as {names[column]} of row {row} "
            f"({is_bad.any(axis=1).sum()} such rows of {len(values)}); leave them out"
        )


def _check_shapes(
    path: str | Path, task: str, values: Sequence[int], curves: Sequence[int], ends: tuple[int, int]
) -> None:
    num_names, num_metrics = ends
    fits = len(curves) == 3 and (tuple(values), curves[2]) == ((curves[0], num_names), num_metrics)
    if not fits or 0 in curves:
        raise DataError(
            f"{path}: hp__{task} must be [n, {num_names}] and curve__{task} [n, steps, {num_metrics}], as "
            f"hp_names and metric_names say; found {list(values)} and {list(curves)}"
        )


def _order(space: Space, names: Sequence[str], path: str | Path) -> list[int]:
    """The table's column of each parameter."""
    parameters = [parameter.name for parameter in space.parameters]
    for name in [*parameters, *names]:
        if name not in names or name not in parameters:
            where, others = (path, names) if name not in names else ("--space", parameters)
            raise ExperimentError(
                f"the space must have the table's parameters; found {name!r}, which is not in {where}"
                f"{known(name, others)}"
            )
    return [names.index(name) for name in parameters]


# --- a function ---


class FunctionCurves:
    """Curves that `function(configuration)` computes; `reference(mode)` on it is optional.

    Args:
        function: gets the configuration as a training function of one's own would, and returns the metric by
            report. All curves have one length. Values that are not finite mean that training diverged.
        template: the space as a tree with domains.

    Raises ExperimentError from `curve` when the function returns anything else.
    """

    def __init__(self, function: CurveFunction, template: Mapping[str, Any]) -> None:
        self.space = space_of(template)
        self._function, self._template = function, template

    @cached_property
    def num_steps(self) -> int:
        """As long as the curve of one configuration is."""
        return len(self._call(draw_params(self.space, np.random.default_rng(0))))

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """The function's curve of `params`."""
        curve = self._call(params)
        if len(curve) != self.num_steps:
            raise ExperimentError(
                f"curves must be equally long; found {len(curve)} and {self.num_steps} steps; fill up a "
                "diverged one with NaN"
            )
        return curve

    def reference(self, mode: Mode) -> Reference:
        """The function's own reference where it has one, else that of 1000 random configurations."""
        own = getattr(self._function, "reference", None)
        return Reference(*own(mode)) if own is not None else reference_of(self._sample, mode)

    @cached_property
    def _sample(self) -> NDArray[np.float64]:
        rng = np.random.default_rng(0)
        return np.stack([self.curve(draw_params(self.space, rng)) for _ in range(NUM_SAMPLES)])

    def _call(self, params: Mapping[str, Any]) -> Curve:
        found = self._function(materialise(self._template, params))
        try:
            curve = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError):
            curve = np.zeros((0, 0))
        if curve.ndim != 1 or not len(curve):
            raise ExperimentError(
                "a function of curves must return one number a step, a list or a one-dimensional array; "
                f"found {show(found)}"
            )
        return curve


def draw_params(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """A random configuration of the space."""
    return space.walk(lambda parameter: _draw_value(parameter, rng))


def _draw_value(parameter: Parameter, rng: np.random.Generator) -> Any:
    domain = parameter.domain
    if isinstance(domain, Choice):
        return domain.labels[rng.integers(len(domain.labels))]
    if isinstance(domain, Int) or domain.step is not None:
        return _draw_step(domain, rng)
    low, high = np.log([domain.low, domain.high]) if domain.log else (domain.low, domain.high)
    drawn = rng.uniform(low, high)
    return min(max(float(np.exp(drawn)) if domain.log else drawn, domain.low), domain.high)


def _draw_step(domain: Float | Int, rng: np.random.Generator) -> float | int:
    if not domain.log:
        return step_value(domain, int(rng.integers(num_values(domain))))
    drawn = np.exp(rng.uniform(*np.log([domain.low - 0.5, domain.high + 0.5])))
    return min(max(round(float(drawn)), domain.low), domain.high)


def load_function(name: str, template: Mapping[str, Any]) -> FunctionCurves:
    """The function that `module:function` names, over the space in `template`.

    The module may lie in the working directory, which goes to the front of `sys.path`.
    Raises UsageError when there is no such function.
    """
    module_name, _, function_name = name.partition(":")
    module = _import(module_name, name)
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise UsageError(
            f"--curves must name a function as module:function; found {name!r}, and {module_name} has no "
            f"such function{nearest(function_name, functions)}"
        )
    return FunctionCurves(function, template)


def _import(module: str, name: str) -> Any:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module)
    except Exception as error:  # the module is the user's: whatever its import raises is for them to read
        raise UsageError(
            f"--curves must name a function as module:function; found {name!r}, and {module!r} cannot be "
            f"imported ({type(error).__name__}: {error}); run where it lies or install it"
        ) from error
