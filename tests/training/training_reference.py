"""A plain torch loop for comparison: one process, the whole global batch, no DeepSpeed."""

from pathlib import Path

import torch

from tuner import models, tasks
from tuner.data import Batches, prepare
from tuner.spec import Experiment
from tuner.training.optimizers import build_optimizer, schedule_factor


def train_plainly(experiment: Experiment, store_root: Path) -> list[float]:
    """The mean training loss of each epoch."""
    spec = experiment.resolve({})
    train = spec.train
    store = prepare(spec.data, spec.task, store_root)
    task = tasks.get(spec.task, train, store.manifest)
    torch.manual_seed(train.seed)
    model = models.build(spec.model, store.manifest.input_shape, task.num_outputs)
    optimizer = build_optimizer(train.optimizer, model.parameters())
    batches = Batches(
        store.split("train"),
        batch_size=train.batch_size,
        micro_batch=train.batch_size,
        rank=0,
        num_ranks=1,
        seed=train.seed,
    )
    factor = schedule_factor(train.schedule, train.epochs * batches.batches_per_epoch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return [_epoch(model, task, optimizer, schedule, batches, train, epoch) for epoch in range(train.epochs)]


def _epoch(model, task, optimizer, schedule, batches, train, epoch) -> float:
    total = 0.0
    for [(features, targets)] in batches.epoch(epoch):
        x, y = task.batch(features, targets, torch.device("cpu"), torch.float32)
        loss = task.loss(model(x), y)
        weights = [p for p in model.parameters() if p.ndim >= 2]
        penalty = train.l1 * sum(w.abs().sum() for w in weights)
        penalty = penalty + train.l2 * sum(w.square().sum() for w in weights)
        optimizer.zero_grad()
        (loss + penalty).backward()
        if train.gradient_clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), train.gradient_clip)
        optimizer.step()
        schedule.step()
        total += loss.item()
    return total / batches.batches_per_epoch
