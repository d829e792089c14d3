"""The benchmark's peers: the real objects answer through our protocols, learn, stop and survive a NaN."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tuner.search.curves import Reference
from tuner.search.simulator import Replay, Settings, simulate
from tuner.spec.domains import Float, Int
from tuner.spec.space import space_of

PEERS = (
    "ray",
    "optuna_hyperband",
    "optuna_gp",
    "ASHA",
    "BOHB",
    "CQR",
    pytest.param("ASHACQR", marks=pytest.mark.slow),
)
NEVER_STOP = ("optuna_gp", "CQR")
SPACE = space_of({"lr": Float(1e-4, 1.0, log=True), "x": Float(0.0, 1.0), "n": Int(1, 64, log=True)})


class Bowl:
    """Nine steps that fall to (x - 0.3)^2 and a term of lr; where x > 0.8 they are NaN."""

    space = SPACE
    num_steps = 9

    def __init__(self) -> None:
        self.params: list[Mapping[str, Any]] = []

    def curve(self, params: Mapping[str, Any]) -> np.ndarray:
        self.params.append(params)
        curve = (params["x"] - 0.3) ** 2 + abs(math.log10(params["lr"]) + 2) + 1 / np.arange(1.0, 10.0)
        return np.where(params["x"] > 0.8, np.nan, curve)

    def reference(self, mode: str) -> Reference:
        return Reference(1 / 9, 1.5)


def play(name: str, seed: int = 0, budget: float = 6) -> tuple[Replay, Bowl]:
    import search_peers

    if name.isupper():
        pytest.importorskip("syne_tune")
    bowl = Bowl()
    both = search_peers.make_peer(name, SPACE, "min", bowl.num_steps, seed)
    settings = Settings(workers=3, budget=budget, budgets=(budget,))
    return simulate(bowl, both, both, settings, "min"), bowl


@pytest.mark.usefixtures("benchmarks")
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_searches_inside_the_space_and_is_repeatable(name: str) -> None:
    replay, bowl = play(name)
    for params in bowl.params:
        SPACE.check(params)
    assert replay.reports == 54
    assert ("STOPPED" in replay.states) == (name not in NEVER_STOP)
    again, _ = play(name)
    assert (again.values, again.states) == (replay.values, replay.states)


@pytest.mark.usefixtures("benchmarks")
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_survives_what_diverges(name: str) -> None:
    replays = [play(name, seed, budget=3)[0] for seed in range(2)]
    assert any("DIVERGED" in replay.states for replay in replays)
    assert all(replay.values[0] is not None for replay in replays)


@pytest.mark.usefixtures("benchmarks")
def test_ranks_share_ties() -> None:
    import search

    losses = np.array([[1.0, 5.0], [1.0, 3.0], [2.0, np.inf]])[:, :, None]
    assert search.average_ranks(losses)[..., 0].tolist() == [[1.5, 2.0], [1.5, 1.0], [3.0, 3.0]]
