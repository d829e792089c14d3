"""What a rank takes of its machine stands in the trial's events, and nowhere else."""

import time

import pytest
import torch

from tuner.records.event_reader import read_scalars
from tuner.tasks.metrics import SYSTEM_METRICS
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks
from tuner.training.report import Objective
from tuner.training.usage import Usage
from tuner.training.worker import Worker

OF_A_CPU, OF_A_GPU = set(SYSTEM_METRICS[:2]), set(SYSTEM_METRICS)


def reports(config, trial):
    for step in range(1, 4):
        yield {"loss": 1 / step} | config


def events(folder, device_type="cpu", **config):
    """The reports of a function that yields three, and what its events say."""
    worker = Worker(Ranks(device_type=device_type))
    job = {"number": 0, "params": {}, "objective": Objective("loss", "min"), "folder": folder}
    worker.start(TrialJob(**job, function=reports, config=config))
    found = [worker.step() for _ in range(4)]
    worker.close()
    return found, read_scalars(folder)


def test_each_report_has_it_beside_its_metrics(tmp_path):
    found, frame = events(tmp_path)
    assert [set(report.metrics) for report in found] == [{"loss"}] * 3 + [set()]
    assert set(frame["tag"]) == {"loss"} | OF_A_CPU
    for tag in OF_A_CPU:
        assert frame[frame["tag"] == tag]["step"].tolist() == [1, 2, 3]
    assert (frame[frame["tag"] == "system/memory_bytes"]["value"] > 1e7).all()


def test_what_a_function_reports_itself_stays(tmp_path):
    _, frame = events(tmp_path, **{"system/cpu_percent": -1.0})
    assert frame[frame["tag"] == "system/cpu_percent"]["value"].tolist() == [-1.0] * 3


def test_a_busy_processor_is_a_hundred_percent():
    usage = Usage(torch.device("cpu"))
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert usage.scalars()["system/cpu_percent"] > 10
    time.sleep(0.2)
    assert usage.scalars()["system/cpu_percent"] < 90


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_is_told_too(tmp_path):
    held = torch.zeros(1 << 20, device="cuda")
    _, frame = events(tmp_path, "cuda")
    assert OF_A_GPU - {"system/gpu_percent"} <= set(frame["tag"]) <= OF_A_GPU | {"loss"}
    assert (frame[frame["tag"] == "system/gpu_memory_bytes"]["value"] >= held.nbytes).all()
