"""What training is compared with: a plain torch loop in one process, and the weights with which it begins."""

from pathlib import Path

import torch

from tuner import models, tasks
from tuner.data import Batches, prepare
from tuner.spec import Experiment
from tuner.training.optimizers import build_optimizer, schedule_factor


def train_plainly(experiment: Experiment, store_root: Path) -> list[float]:
    """The mean training loss of each epoch."""
    return train_in_parts([(experiment, experiment.resolve({}).train.epochs)], store_root)


def initial_weights(path: Path) -> dict[str, torch.Tensor]:
    """Those with which the training of an experiment that searches nothing begins."""
    spec = Experiment.load(path).resolve({})
    manifest = prepare(spec.data, spec.task, path.parent / "store").manifest
    num_outputs = tasks.get(spec.task, spec.train, manifest).num_outputs
    torch.manual_seed(spec.train.seed)
    return models.build(spec.model, models.DataShape.of(manifest), num_outputs).state_dict()


def train_in_parts(parts: list[tuple[Experiment, int]], store_root: Path) -> list[float]:
    """As `train_plainly`: so many epochs of each experiment, on the same weights and optimizer's state.

    The experiments differ in nothing that decides a shape.
    """
    spec = parts[0][0].resolve({})
    store = prepare(spec.data, spec.task, store_root)
    torch.manual_seed(spec.train.seed)
    task = tasks.get(spec.task, spec.train, store.manifest)
    shape = models.DataShape.of(store.manifest)
    model = models.build(spec.model, shape, task.num_outputs, per_token=task.is_per_token)
    losses: list[float] = []
    state = None
    for experiment, num_epochs in parts:
        train = experiment.resolve({}).train
        task = tasks.get(spec.task, train, store.manifest)
        batches = _whole_batches(store, train)
        optimizer = build_optimizer(train.optimizer, model.parameters())
        if state is not None:
            optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        schedule = _schedule(optimizer, train, batches, len(losses))
        for epoch in range(len(losses), len(losses) + num_epochs):
            losses.append(_epoch(model, task, optimizer, schedule, batches, train, epoch))
        state = optimizer.state_dict()["state"]
    return losses


def _whole_batches(store, train) -> Batches:
    size = train.batch_size
    return Batches(
        store.split("train"),
        batch_size=size,
        micro_batch=size,
        rank=0,
        num_ranks=1,
        seed=train.seed,
        shuffle=train.shuffle,
    )


def _schedule(optimizer, train, batches, epochs_done: int):
    """At the step that so many epochs of these batches lead to."""
    factor = schedule_factor(train.schedule, train.epochs * batches.batches_per_epoch)
    done = epochs_done * batches.batches_per_epoch
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step + done))


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
