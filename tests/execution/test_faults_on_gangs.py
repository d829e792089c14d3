"""Each fault for real, in gangs of two ranks and of one; after each the same runner trains the next trial."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import gang_faults
import pytest
from gang_faults import HANG_SECONDS, Runner, runner, wait_until, wait_until_gone

from tuner.records.states import TrialState

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster():
    import ray
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(gang_faults)
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def two(cluster, tmp_path_factory):
    with runner(tmp_path_factory.mktemp("two"), 2) as made:
        yield made


@pytest.fixture(scope="module")
def one(cluster, tmp_path_factory):
    with runner(tmp_path_factory.mktemp("one"), 1) as made:
        yield made


def assert_fault(found: Runner, fault: str, reason: str, *, is_replaced: bool) -> None:
    """The trial that has just failed has this fault, and the runner trains the next trial."""
    before = found.pids()
    first, failed = found.reports
    assert (first.step, first.fault) == (1, None)
    assert (failed.step, failed.metrics, failed.state) == (1, {}, TrialState.FAILED)
    assert failed.fault == fault, failed
    assert re.fullmatch(reason, failed.reason), failed.reason
    assert [report.fault for report in found.train("fine")] == [None, None]
    after = found.pids()
    assert len(after) == len(before)
    if is_replaced:
        assert not set(before) & set(after)
        wait_until_gone(before)
    else:
        assert before == after


NAME = rf"rank {{}} \(process \d+ on {socket.gethostname()}\)"
RANK_0, RANK_1 = NAME.format(0), NAME.format(1)


def test_an_error_on_every_rank_leaves_the_gang(two):
    two.train("raise", 0, 1)
    assert "Traceback" in two.log()
    assert "ValueError: rank 1 was told to" in two.log()
    assert_fault(two, "error", "ValueError: rank 0 was told to", is_replaced=False)


def test_an_error_on_one_rank_while_the_other_waits(two):
    two.train("raise", 1)
    reason = f"{RANK_1} raised ValueError: rank 1 was told to, while {RANK_0} waited for it"
    assert_fault(two, "lost", reason, is_replaced=True)


@pytest.mark.parametrize(
    ("fate", "cause"),
    [
        ("kill", "it was killed, or ended without a word"),
        ("crash", "Segmentation fault, see log.txt"),
        ("end process", "it was killed, or ended without a word"),
    ],
)
def test_a_rank_that_dies(two, fate, cause):
    two.train(fate, 1)
    assert_fault(two, "lost", f"{RANK_1} died: {cause}", is_replaced=True)


@pytest.mark.parametrize("fate", ["fill torch", "fill python", "fill and wrap"])
def test_out_of_memory_on_one_rank_while_the_other_waits(two, fate):
    two.train(fate, 1)
    assert_fault(two, "memory", f"{RANK_1} ran out of memory: .*", is_replaced=True)


def test_a_rank_that_sleeps_for_ever(two):
    two.train("sleep", 1)
    stacks = re.split(f"tuner: {NAME.format('[01]')} made no progress:\n", two.log())
    assert len(stacks) == 3, "one of each rank, apart"
    assert "all_reduce" in stacks[1]
    assert "in _sleep" in stacks[2]
    reason = f"no progress for {HANG_SECONDS:g} s; the stacks of all ranks are in log.txt"
    assert_fault(two, "lost", reason, is_replaced=True)


@pytest.mark.parametrize(("stopped", "name"), [(1, RANK_1), (0, RANK_0)])
def test_a_stopped_rank(two, stopped, name):
    two.train("stop", stopped)
    assert "all_reduce" in two.log()
    reason = (
        f"no progress for {HANG_SECONDS:g} s; the stacks of all ranks are in log.txt, "
        f"but for {name}, which did not answer"
    )
    assert_fault(two, "lost", reason, is_replaced=True)


def test_a_gang_of_one_that_raises(one):
    one.train("exit", 0)
    assert_fault(one, "error", "SystemExit: 3", is_replaced=False)


def test_a_gang_of_one_that_dies(one):
    one.train("crash", 0)
    assert_fault(one, "lost", f"{RANK_0} died: Segmentation fault, see log.txt", is_replaced=True)


def test_a_gang_of_one_that_runs_out_of_memory(one):
    one.train("fill torch", 0)
    assert_fault(one, "memory", f"{RANK_0} ran out of memory: RuntimeError: .*", is_replaced=True)


def test_a_gang_of_one_that_is_stopped(one):
    one.train("stop", 0)
    reason = f"no progress for {HANG_SECONDS:g} s, and no answer of {RANK_0}"
    assert_fault(one, "lost", reason, is_replaced=True)


def test_an_idle_gang_is_not_watched_and_a_killed_one_is_found_at_the_next_trial(one):
    one.train("fine")
    time.sleep(1.5 * HANG_SECONDS)
    assert [report.fault for report in one.train("fine")] == [None, None]
    [pid] = one.pids()
    os.kill(pid, signal.SIGKILL)
    one.begin("fine")
    failed = one.step()
    assert (failed.fault, failed.step) == ("lost", 0)
    assert [report.fault for report in one.train("fine")] == [None, None]


def test_ranks_end_with_their_trainable(cluster, tmp_path):
    with runner(tmp_path, 2) as first:
        first.train("fine")
        first.kill()
        wait_until_gone(first.pids())
    with runner(tmp_path, 2) as second:
        assert [report.fault for report in second.train("fine")] == [None, None]


SEARCH = """
import sys, time
from pathlib import Path
import tuner
def train(config, trial):
    import os
    Path(trial.folder, f"pid_{trial.rank}").write_text(str(os.getpid()))
    while True:
        yield {"loss": 1.0}
        time.sleep(0.2)
space = {"x": tuner.Float(0, 1)}
experiment = tuner.Experiment(train=train, space=space, metric="loss", name="a", workers=2, gpus_per_worker=0)
tuner.run(experiment, results=sys.argv[1])
"""


def test_ranks_end_with_a_killed_search(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SEARCH, str(tmp_path)])
    files = [tmp_path / "a" / "trials" / "00000" / f"pid_{rank}" for rank in range(2)]
    wait_until(lambda: all(file.exists() and file.read_text() for file in files), limit_s=60)
    process.kill()
    process.wait()
    wait_until_gone([int(file.read_text()) for file in files])
