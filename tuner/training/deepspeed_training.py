"""The training loop: one trial in one rank, from report to report.

`step()` trains to the next validation and returns its report; `save`, `load` and `close` do what they say. It
saves by itself when a period is over, also inside an epoch: the position counts global batches, so that the
micro-batch does not matter. It knows nothing of Ray. How a non-finite loss on one rank is told to the others
before their update, and what that costs, is in `docs/decisions/loss-check.md`.
"""

import gc
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil
import torch
import torch.distributed

from tuner import models, tasks
from tuner.data import Batches, Manifest, ShardCache, Store, tokens
from tuner.records.checkpoints import Checkpoint
from tuner.records.paths import TrialPaths
from tuner.records.states import TrialState
from tuner.spec.sections import PretrainedSpec, TrainSpec
from tuner.training.augment import Augmentation, images
from tuner.training.checkpoints import (
    read_saved,
    restore,
    save_weights,
    snapshot_engine,
    snapshot_rank,
)
from tuner.training.engine import Rates, build_engine, plan_batch
from tuner.training.evaluation import average_buffers, evaluate
from tuner.training.job import TrialJob
from tuner.training.keeper import Keeper
from tuner.training.precision import DTYPES, Precision, resolve_precision
from tuner.training.ranks import Ranks, end_alike
from tuner.training.report import Patience, Report
from tuner.training.saver import Snapshot
from tuner.training.watchdog import progress

EVALUATION_ROWS = 4
"""Evaluation keeps no activations, so its batches are this many times larger than a micro-batch."""

MicroBatch = tuple[np.ndarray, np.ndarray]
Placed = tuple[MicroBatch, int]
"""With its place in the epoch's order."""


class NonFiniteLoss(Exception):
    """The loss of some rank is NaN or infinite; no update was made with it."""


@dataclass
class _Sums:
    """What the next report will say about the training since the last one, on this rank."""

    loss: float = 0.0
    num_steps: int = 0
    seconds: float = 0.0
    first_seconds: float = 0.0
    """Of the first step, in which buffers are made and code is compiled."""

    @property
    def step_seconds(self) -> float:
        """Of a later step; of the first one where there is no other."""
        if self.num_steps == 1:
            return self.seconds
        return (self.seconds - self.first_seconds) / (self.num_steps - 1)

    def add(self, loss: float, seconds: float) -> None:
        if self.num_steps == 0:
            self.first_seconds = seconds
        self.loss += loss
        self.num_steps += 1
        self.seconds += seconds


class DeepSpeedTraining:
    """One trial, trained by a DeepSpeed engine.

    Args:
        job: with `spec` and `store`; the weights of the best report and the checkpoints lie in its folder.
    """

    def __init__(self, job: TrialJob, ranks: Ranks) -> None:
        assert job.spec is not None, job
        assert job.store is not None, job
        spec, train = job.spec, job.spec.train
        store = Store.open(job.store)
        self._spec, self._store, self._paths = spec, store, TrialPaths(job.folder)
        self._cache = ShardCache.of(job.shard_cache) if job.shard_cache else None
        self._objective, self._ranks = job.objective, ranks
        self._keeper = Keeper(job, ranks, self._progress, self._snapshot, beside=True)
        self._precision = resolve_precision(train.precision, ranks.device_type)
        self._task = tasks.get(spec.task, train, store.manifest)
        self._plan = plan_batch(train, ranks.num_ranks)
        self._augmentation = Augmentation(
            train.augment,
            train.seed,
            self._task.num_outputs,
            store.manifest.padding,
            blank=_unused_token(store.manifest),
            moments=_moments(store.manifest),
            are_waves=store.manifest.are_waves,
        )
        self._batches = Batches(
            store.split("train", self._cache),
            batch_size=train.batch_size,
            micro_batch=self._plan.micro_batch,
            rank=ranks.rank,
            num_ranks=ranks.num_ranks,
            seed=train.seed,
            num_following=self._augmentation.num_following,
            shuffle=train.shuffle,
        )
        self._engine = build_engine(
            self._build_model,
            train,
            ranks,
            precision=self._precision,
            num_steps=train.epochs * self._batches.batches_per_epoch,
            is_pretrained=isinstance(spec.model, PretrainedSpec),
        )
        # The one engine that keeps no gradient norm: torch's own optimizer, neither sharded nor scaled.
        self._is_plain = train.zero.stage == 0 and self._precision == "fp32"
        self._scales_itself = train.zero.stage == 0 and self._precision == "fp16"
        self._norm_tells = ranks.num_ranks > 1 and _norm_tells(train, self._precision)
        if self._norm_tells:
            _watch_norm(self._engine.optimizer)
        parameters = list(self._engine.module.parameters())
        self._num_parameters = sum(_size(p) for p in parameters)
        self._num_trained = sum(_size(p) for p in parameters if p.requires_grad)
        self._weights = [p for p in parameters if p.ndim >= 2 and p.requires_grad]
        # Every rank drops out other units; the weights above were drawn alike.
        torch.manual_seed(train.seed * 1_000_003 + ranks.rank + 1)
        self._epoch = self._batch = 0
        self._sums = _Sums()
        self._num_reports = 0
        self._best: float | None = None
        self._patience = (
            Patience(job.objective, train.early_stop.patience, train.early_stop.min_delta)
            if train.early_stop
            else None
        )

    def step(self) -> Report:
        """Trains `validate_every` epochs, validates, and keeps the weights if they are the best so far.

        A report without metrics, with `has_left`, when the trial was told to leave before that.
        """
        try:
            has_left = self._keeper.has_left(at_report=True) or not self._train_to_validation()
        except NonFiniteLoss as error:
            self._num_reports += 1
            reason = f"{error} in epoch {self._epoch + 1}"
            return Report(self._num_reports, {"train/loss": math.nan}, TrialState.DIVERGED, reason)
        if has_left:
            return Report(self._num_reports, {}, num_steps=self._engine.global_steps, has_left=True)
        return self._report()

    def save(self, *, wait: bool = True) -> None:
        """Writes a checkpoint from which `load` goes on with the same losses to the last bit. Collective.

        Raises:
            TunerError: with `wait`, when it could not be written.
        """
        self._keeper.save(wait=wait)

    def load(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint, also of other rates, another batch size or another number of ranks."""
        position, batches_per_epoch = checkpoint.position, self._batches.batches_per_epoch
        with end_alike(self._ranks):
            self._check(position)
            saved = read_saved(self._engine, checkpoint.folder, position["num_ranks"], self._ranks)
        rates = Rates.of(self._engine)
        restore(self._engine, checkpoint.folder, saved, self._ranks)
        rates.put_back(self._engine, batches_per_epoch / position["batches_per_epoch"])
        self._sums = _Sums(**saved.report)
        self._epoch, self._batch = position["epoch"], position["batch"]
        self._num_reports = position["num_reports"]
        self._best = position["best"]
        if self._patience:
            self._patience.restore(position["patience"])
        self._keeper.go_on_from(checkpoint)

    def close(self) -> None:
        """Gives all memory back, when what it saved is written; the process is ready for another trial."""
        self._keeper.close()
        self._engine.destroy()
        del self._engine, self._weights
        if self._spec.train.compile:
            # What is compiled would be kept, and counts against the limit of the next trial.
            torch.compiler.reset()
        gc.collect()
        if self._ranks.device_type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _build_model(self) -> torch.nn.Module:
        task, shape = self._task, models.DataShape.of(self._store.manifest)
        return models.build(self._spec.model, shape, task.num_outputs, per_token=task.is_per_token)

    def _progress(self) -> tuple[int, int]:
        return self._num_reports, self._engine.global_steps

    def _snapshot(self) -> Snapshot:
        position = {
            "store": self._store.manifest.sha256,
            "seed": self._spec.train.seed,
            "epoch": self._epoch,
            "batch": self._batch,
            "batches_per_epoch": self._batches.batches_per_epoch,
            "num_reports": self._num_reports,
            "best": self._best,
            "patience": self._patience and self._patience.state(),
        }
        files = snapshot_engine(self._engine) | snapshot_rank(self._engine, self._ranks, asdict(self._sums))
        return Snapshot(position, files)

    def _check(self, position: Mapping[str, Any]) -> None:
        assert position["store"] == self._store.manifest.sha256, "a checkpoint belongs to its data"
        is_inside = position["batch"] > 0
        assert not is_inside or position["batches_per_epoch"] == self._batches.batches_per_epoch, position

    def _train_to_validation(self) -> bool:
        """False: the trial has left before."""
        train = self._spec.train
        last_epoch = min((self._num_reports + 1) * train.validate_every, train.epochs)
        self._engine.train()
        while self._epoch < last_epoch:
            if not self._train_epoch(is_last=self._epoch == last_epoch - 1):
                return False
        return True

    def _train_epoch(self, *, is_last: bool) -> bool:
        """From the batch on where it stands; `is_last`: before a validation. False: the trial has left."""
        last_batch = self._batches.batches_per_epoch - 1 if is_last else None
        started = time.perf_counter()
        for global_batch in self._batches.epoch(self._epoch, start=self._batch):
            is_last_batch = self._batch == last_batch
            loss = self._train_batch(global_batch, is_last=is_last_batch)
            ended = time.perf_counter()
            self._sums.add(loss, ended - started)
            self._batch += 1
            progress()
            started = ended
            if not is_last_batch and self._keeper.is_due_after_step():
                if self._keeper.has_left(at_report=False):
                    return False
                started = time.perf_counter()
        self._epoch, self._batch = self._epoch + 1, 0
        return True

    def _report(self) -> Report:
        metrics = self._training_metrics(self._sums) | self._validate()
        self._sums = _Sums()
        self._num_reports += 1
        value = self._objective.of(metrics)
        assert value is not None, (self._objective.metric, metrics)
        if self._objective.is_better(value, self._best):
            self._best = value
            save_weights(self._engine, self._paths.best_checkpoint / "weights.pt", self._ranks)
        return Report(self._num_reports, metrics, *self._end(value), num_steps=self._engine.global_steps)

    def _train_batch(self, micro_batches: list[MicroBatch], *, is_last: bool) -> float:
        """One optimizer step; returns this rank's mean loss, without penalties.

        Raises:
            NonFiniteLoss: on every rank when the loss of any rank is not finite; nothing was updated.
        """
        places = self._batches.places(self._batch).tolist()
        *earlier, last = zip(micro_batches, places, strict=True)
        total = sum(self._accumulate(micro_batch) for micro_batch in earlier)
        loss, penalised = self._forward(last)
        mean = (total + loss.detach()) / len(micro_batches)
        if self._norm_tells:
            self._backward(penalised)
        else:
            self._backward_and_check(penalised, mean)
        if is_last:
            self._note_before_update()
        self._update()
        return mean.item()

    def _backward_and_check(self, penalised: torch.Tensor, mean: torch.Tensor) -> None:
        """The loss of all ranks is added up while the backward pass runs."""
        everywhere = mean.clone()
        work = torch.distributed.all_reduce(everywhere, async_op=True) if self._ranks.num_ranks > 1 else None
        self._backward(penalised)
        if work is not None:
            work.wait()
        if not math.isfinite(everywhere.item()):
            raise NonFiniteLoss("the training loss is not finite")

    def _accumulate(self, micro_batch: Placed) -> torch.Tensor:
        loss, penalised = self._forward(micro_batch)
        self._backward(penalised)
        self._engine.step()
        return loss.detach()

    def _backward(self, loss: torch.Tensor) -> None:
        """DeepSpeed scales no loss at stage 0, where its fp16 update takes the scale out all the same; see
        docs/decisions/fp16-at-stage-0.md.
        """
        self._engine.backward(loss * self._engine.optimizer.loss_scale if self._scales_itself else loss)

    def _forward(self, micro_batch: Placed) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a micro-batch, and the same with the penalties that are minimised beside it."""
        x, y = self._inputs(*micro_batch)
        loss = self._task.loss(self._engine(x), y)
        train = self._spec.train
        penalised = loss
        if train.l1:
            penalised = penalised + train.l1 * _total(weight.float().abs().sum() for weight in self._weights)
        if train.l2:
            penalised = penalised + train.l2 * _total(
                weight.float().square().sum() for weight in self._weights
            )
        if self._norm_tells:
            # Times 1, or times NaN where the loss is not finite: then no gradient is.
            penalised = penalised * (1 + 0 * loss.detach())
        return loss, penalised

    def _inputs(self, micro_batch: MicroBatch, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        device, dtype = self._ranks.device, DTYPES[self._precision]
        if not self._augmentation.is_on:
            return self._task.batch(*micro_batch, device, dtype)
        x, y = self._task.batch(*micro_batch, device, torch.float32)
        x, y = self._augmentation(x, y, epoch=self._epoch, place=place)
        return x.to(dtype) if x.is_floating_point() else x, y

    def _note_before_update(self) -> None:
        """What the report says of the last step, and the step itself would change."""
        self._lr = self._engine.get_lr()[0]
        self._norm_unit = self._engine.optimizer.loss_scale if self._scales_itself else 1.0
        if self._is_plain:
            self._grad_norm = _norm_of_grads(self._engine.module)

    def _update(self) -> None:
        try:
            self._engine.step()
        except Exception as error:  # DeepSpeed has no type of its own for an exhausted loss scaler.
            if "loss scale already at minimum" not in str(error):
                raise
            raise NonFiniteLoss("fp16 gradients overflow at the smallest loss scale") from error

    def _training_metrics(self, sums: _Sums) -> dict[str, float]:
        if not self._is_plain:
            self._grad_norm = float(self._engine.get_global_grad_norm()) / self._norm_unit
        metrics = {
            "train/loss": self._mean_over_ranks(sums.loss / sums.num_steps),
            "train/lr": self._lr,
            "train/grad_norm": self._grad_norm,
            "train/samples_per_s": sums.num_steps * self._spec.train.batch_size / sums.seconds,
            "train/step_seconds": sums.step_seconds,
            "model/parameters": float(self._num_parameters),
            "model/trained_parameters": float(self._num_trained),
            "system/peak_memory_bytes": self._peak_memory_bytes(),
        }
        if self._precision == "fp16":
            metrics["train/loss_scale"] = float(self._engine.optimizer.loss_scale)
        return metrics

    def _validate(self) -> dict[str, float]:
        average_buffers(self._engine.module, self._ranks)
        self._engine.eval()
        metrics = evaluate(
            self._engine,
            self._task,
            self._store.split("val", self._cache),
            self._ranks,
            micro_batch=EVALUATION_ROWS * self._plan.micro_batch,
            dtype=DTYPES[self._precision],
        )
        return {f"val/{name}": value for name, value in metrics.items()}

    def _end(self, value: float) -> tuple[TrialState | None, str]:
        if self._epoch == self._spec.train.epochs:
            return TrialState.COMPLETE, f"trained {self._epoch} epochs"
        if self._patience and self._patience.is_exhausted_by(value):
            waited = self._patience.num_waited
            return TrialState.COMPLETE, f"early stop: no better {self._objective.metric} in {waited} reports"
        return None, ""

    def _mean_over_ranks(self, value: float) -> float:
        if self._ranks.num_ranks == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self._ranks.device)
        torch.distributed.all_reduce(total)
        return total.item() / self._ranks.num_ranks

    def _peak_memory_bytes(self) -> float:
        """The largest of all ranks: allocated on the GPU so far, or resident on a CPU now.

        On a CPU that is the whole warm process, with what earlier trials left in it: a rough figure.
        """
        if self._ranks.device_type == "cuda":
            peak = torch.cuda.max_memory_allocated()
        else:
            peak = psutil.Process().memory_info().rss
        if self._ranks.num_ranks == 1:
            return float(peak)
        largest = torch.tensor(float(peak), dtype=torch.float64, device=self._ranks.device)
        torch.distributed.all_reduce(largest, op=torch.distributed.ReduceOp.MAX)
        return largest.item()


def _total(terms: Iterator[torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(terms)).sum()


def _size(parameter: torch.nn.Parameter) -> int:
    """Elements of the whole parameter; ZeRO stage 3 leaves an empty one behind and its size as `ds_numel`."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _norm_of_grads(module: torch.nn.Module) -> float:
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(grads).item()


def _moments(manifest: Manifest) -> images.Moments | None:
    if manifest.mean is None or manifest.std is None:
        return None
    return manifest.mean, manifest.std


def _unused_token(manifest: Manifest) -> int:
    """One that no text has."""
    return tokens.PADDING if manifest.tokenizer is None else tokens.from_json(manifest.tokenizer).padding


def _norm_tells(train: TrainSpec, precision: Precision) -> bool:
    """Whether DeepSpeed adds up the gradient norm of all ranks right before it updates."""
    return train.zero.stage in (1, 2) and train.zero.offload == "none" and precision == "fp32"


def _watch_norm(optimizer: Any) -> None:
    """Has the sharded optimizer stop before an update whose gradient norm is not finite.

    DeepSpeed marks such a norm as -1 on every rank, clips by it, and would go on.
    """
    measure = optimizer.get_grad_norm_direct

    def measure_and_stop(*arguments: Any, **options: Any) -> torch.Tensor:
        norm: torch.Tensor = measure(*arguments, **options)
        if norm.item() < 0:
            raise NonFiniteLoss("the training loss, or its gradient, is not finite")
        return norm

    optimizer.get_grad_norm_direct = measure_and_stop
