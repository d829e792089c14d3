"""The LCBench surrogate as curves: one function a task, validation accuracy in percent at epochs 2 to 52.

    tuner simulate --curves _lcbench:task_167152 --space $TUNER_DATA/lcbench/space.yaml --mode max   # in here
    curves("167152").curve({"batch_size": 64, ...})

The network was fitted to 2000 real configurations on 34 OpenML tasks (LCBench, Zimmer et al. 2021; YAHPO Gym,
Pfisterer et al. 2022). Its first epoch is the untrained network and is left out: 51 reports. One curve takes
.7 ms on one core; each is computed once a process.

The reference: the median of 1000 random configurations' last values; the best of these and of a local search
around their best, so that a search that is better than random draws has a fixed place to go to.
"""

import json
import os
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.search.curves import FunctionCurves, Reference, draw_params, reference_of
from tuner.spec.space import Space, space_of
from tuner.spec.space_file import load_template

DATA = Path(os.environ.get("TUNER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "lcbench"
TASKS = (
    "167152", "168335", "126025", "167184", "7593", "168910",
    "126026", "146212", "167104", "167161", "168329", "189862",
)  # fmt: skip
EPOCHS = np.arange(2, 53, dtype=np.float32)
COLUMNS = (
    "batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout",
)  # fmt: skip
VALIDATION_ACCURACY = 1
NUM_RANDOM, NUM_ROUNDS, NUM_NEAR = 1000, 20, 50
CACHED_CURVES = 200_000


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(DATA / "model.onnx"), options, providers=["CPUExecutionProvider"])


@cache
def _codes() -> dict[str, int]:
    codes: dict[str, int] = json.loads((DATA / "encoding.json").read_text())["OpenML_task_id"]
    return codes


@lru_cache(CACHED_CURVES)
def _curve(task: str, values: tuple[float, ...]) -> NDArray[np.float32]:
    inputs = np.empty((len(EPOCHS), 1 + len(values)), dtype=np.float32)
    inputs[:, 0], inputs[:, 1:] = EPOCHS, values
    code = np.full((len(EPOCHS), 1), _codes()[task], dtype=np.int32)
    found: NDArray[np.float32] = _session().run(None, {"x_cat": code, "x_cont": inputs})[0]
    return found[:, VALIDATION_ACCURACY]


@cache
def template() -> dict[str, Any]:
    return load_template(DATA / "space.yaml")


class Task:
    """Configuration -> validation accuracy in percent, by epoch."""

    def __init__(self, task: str) -> None:
        self.task = task

    def __call__(self, config: dict[str, Any]) -> NDArray[np.float32]:
        return _curve(self.task, tuple(config[name] for name in COLUMNS))

    def reference(self, mode: str) -> Reference:
        assert mode == "max"
        return _reference(self.task)


@cache
def _reference(task: str) -> Reference:
    rng = np.random.default_rng(0)
    space = space_of(template())
    params = [draw_params(space, rng) for _ in range(NUM_RANDOM)]
    sampled = np.stack([Task(task)(one) for one in params])
    reference = reference_of(sampled, "max")
    best = params[int(sampled.max(1).argmax())]
    return reference._replace(best=_climb(Task(task), space, best, rng))


def _climb(
    function: Callable[[dict[str, Any]], NDArray[np.float32]],
    space: Space,
    best: dict[str, Any],
    rng: np.random.Generator,
) -> float:
    """The best value near `best`, by random steps that become smaller."""
    value = float(function(best).max())
    for round_ in range(NUM_ROUNDS):
        for _ in range(NUM_NEAR):
            near = _near(space, best, 0.3 * 0.8**round_, rng)
            found = float(function(near).max())
            if found > value:
                value, best = found, near
    return value


def _near(space: Space, params: dict[str, Any], scale: float, rng: np.random.Generator) -> dict[str, Any]:
    near = {}
    for parameter in space.parameters:
        domain: Any = parameter.domain
        there, back = (np.log, np.exp) if domain.log else (np.asarray, np.asarray)
        low, high = there(domain.low), there(domain.high)
        moved = there(params[parameter.name]) + scale * (high - low) * rng.normal() * (rng.random() < 0.5)
        value = np.clip(back(np.clip(moved, low, high)), domain.low, domain.high)
        near[parameter.name] = type(domain.low)(round(float(value)) if isinstance(domain.low, int) else value)
    return near


@cache
def curves(task: str) -> FunctionCurves:
    """The curves of one OpenML task."""
    return FunctionCurves(Task(task), template())


globals().update({f"task_{task}": Task(task) for task in TASKS})
