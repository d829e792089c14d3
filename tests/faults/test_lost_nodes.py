"""Nodes of a real cluster (several raylets on this machine) that are lost while a gang trains on them."""

import os
from collections.abc import Iterator
from functools import partial

import psutil
import pytest
from folders import check
from searches import MOMENTS, Search, Spot, environment, while_training

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 4,
}


@pytest.fixture
def cluster(search_of, tmp_path, monkeypatch) -> Iterator:
    """Its head trains nothing; nodes are added by the test."""
    from ray.cluster_utils import Cluster

    for name, value in environment(tmp_path / "hooks").items():
        monkeypatch.setenv(name, value)
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": QUICK_TO_NOTICE},
    )
    yield made
    made.shutdown()


def add_node(cluster) -> None:
    """With room for one gang."""
    cluster.add_node(num_cpus=len(os.sched_getaffinity(0)))


def lose_node_of(search: Search, rank: int) -> None:
    """All of it at once, as when a machine is switched off."""
    search.seen |= set(psutil.Process().children(recursive=True))
    raylet = psutil.Process(rank).parent()
    for process in (raylet, *raylet.children(recursive=True)):
        process.kill()
    search.let_go()


def losses(search: Search, spot: Spot) -> int:
    """How often the gang of the trial was lost so far."""
    return len(search.lines(spot.number, "RETRY"))


def has_more_losses(search: Search, spot: Spot, before: int) -> bool:
    return losses(search, spot) > before


def test_the_search_goes_on_on_another_node(whole_of, search_of, cluster):
    whole, search = whole_of("steady"), search_of("steady", address=cluster.address)
    add_node(cluster)
    add_node(cluster)
    search.begin()
    spot = while_training(search, whole)
    lose_node_of(search, spot.rank)
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)


def test_the_search_waits_for_a_node_that_comes_back(whole_of, search_of, cluster):
    whole, search = whole_of("steady"), search_of("steady", address=cluster.address)
    add_node(cluster)
    search.begin()
    for moment in ("before the first report", "in a pause", "while training", "while confirming"):
        spot = MOMENTS[moment](search, whole)
        before = losses(search, spot)
        lose_node_of(search, spot.rank)
        search.wait_until(partial(has_more_losses, search, spot, before))
        add_node(cluster)
    assert search.end() == 0, search.account("it failed")
    check(search.paths.root, whole)
