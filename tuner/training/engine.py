"""A DeepSpeed engine for one trial: from the trial's specification to DeepSpeed's configuration.

`micro_batch` x `accumulation` x ranks = `batch_size`, always.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import deepspeed
import torch
from torch._inductor import config as inductor
from torch.optim.lr_scheduler import LambdaLR

from tuner.models import rate_groups
from tuner.spec.sections import TrainSpec
from tuner.training.checkpoints import MemoryEngine
from tuner.training.optimizers import build_optimizer, schedule_factor
from tuner.training.precision import Precision
from tuner.training.ranks import Ranks, hand_to_deepspeed
from tuner.training.splitting import Splitting

NEVER = 2**31


@dataclass(frozen=True)
class BatchPlan:
    """How a global batch is cut: `micro_batch` rows at a time on each rank, `accumulation` times."""

    micro_batch: int
    accumulation: int


def plan_batch(train: TrainSpec, num_ranks: int) -> BatchPlan:
    rows_per_rank, rest = divmod(train.batch_size, num_ranks)
    micro_batch = train.micro_batch or rows_per_rank
    assert rest == 0, "the experiment was checked: batch_size is a multiple of the ranks"
    assert rows_per_rank % micro_batch == 0, "the experiment was checked: micro_batch divides a rank's rows"
    return BatchPlan(micro_batch, rows_per_rank // micro_batch)


def engine_config(
    train: TrainSpec, plan: BatchPlan, precision: Precision, device_type: str
) -> dict[str, Any]:
    """DeepSpeed's configuration; only what the trial decides is set, the rest is DeepSpeed's default."""
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": plan.micro_batch,
        "gradient_accumulation_steps": plan.accumulation,
        "gradient_clipping": train.gradient_clip or 0.0,
        "zero_optimization": _zero_config(train, device_type),
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": NEVER,
    }
    if precision != "fp32":
        config[precision] = {"enabled": True}
    return config


def _zero_config(train: TrainSpec, device_type: str) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": train.zero.stage}
    if train.zero.stage == 3 and device_type == "cpu":
        # Of weights that it gathers together DeepSpeed waits for the last one only, and gloo may have others
        # later; see docs/decisions/zero3-on-cpu.md.
        zero["stage3_allgather_sequential"] = True
        zero["stage3_param_persistence_threshold"] = 0
    if train.zero.offload == "cpu":
        zero["offload_optimizer"] = {"device": "cpu"}
        if train.zero.stage == 3:
            zero["offload_param"] = {"device": "cpu"}
    return zero


def build_engine(
    build_model: Callable[[], torch.nn.Module],
    train: TrainSpec,
    ranks: Ranks,
    *,
    precision: Precision,
    num_steps: int,
    is_pretrained: bool = False,
) -> Any:
    """Shards the model over the ranks.

    Args:
        num_steps: length of the whole training in optimizer steps.
        is_pretrained: whether the model's weights are read and not drawn.
    """
    hand_to_deepspeed()
    config = engine_config(train, plan_batch(train, ranks.num_ranks), precision, ranks.device_type)
    torch.manual_seed(train.seed)
    model = _built(build_model, config, is_pretrained)
    factor = schedule_factor(train.schedule, num_steps)
    model.to(ranks.device)
    engine, _, _, _ = deepspeed.initialize(
        model=model,
        optimizer=build_optimizer(train.optimizer, _parameter_groups(model, train.optimizer.lr)),
        lr_scheduler=lambda optimizer: LambdaLR(optimizer, factor),
        config=config,
        dist_init_required=False,
    )
    if train.compile:
        _compile(engine)
    engine.checkpoint_engine = MemoryEngine()
    # A script of DeepSpeed's that it would copy into each checkpoint, where no file is opened.
    engine._copy_recovery_script = lambda save_path: None
    return engine


def _compile(engine: Any) -> None:
    """In place, so that no weight gets another name; torch compiles at the first step.

    By this process and its threads alone: torch would start processes for all cores of the machine.
    """
    inductor.compile_threads = torch.get_num_threads()
    engine.compile()


def _built(
    build_model: Callable[[], torch.nn.Module], config: dict[str, Any], is_pretrained: bool
) -> torch.nn.Module:
    """At stage 3 split over the ranks: as it is built, or, where transformers reads it, when it is whole."""
    if config["zero_optimization"]["stage"] < 3:
        return build_model()
    splitting = Splitting(config)
    if is_pretrained:
        model = build_model()
        splitting.split(model)
        return model
    with splitting:
        return build_model()


def _parameter_groups(model: torch.nn.Module, lr: float) -> list[dict[str, Any]]:
    return [{"params": weights, "lr": share * lr} for share, weights in rate_groups(model)]


@dataclass(frozen=True)
class Rates:
    """What an engine was built with and a checkpoint overwrites: learning rates, momenta, decays, clipping.

    A trial may go on from a checkpoint that was written with others; then its own count. Where they are the
    same, the training goes on to the last bit.
    """

    groups: list[dict[str, Any]]
    """Of each parameter group of torch's optimizer, without its weights."""
    base_lrs: list[float]
    clip: float | None
    """None where the engine clips by its own configuration."""

    @classmethod
    def of(cls, engine: Any) -> "Rates":
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            for group in engine.basic_optimizer.param_groups
        ]
        clip = getattr(engine.optimizer, "clip_grad", None)
        return cls(groups, list(engine.lr_scheduler.base_lrs), clip)

    def put_back(self, engine: Any, steps_share: float) -> None:
        """Into an engine that has loaded a checkpoint.

        `steps_share`: steps of an epoch now, over those when the checkpoint was written. The schedule goes
        on at the same share of the training.
        """
        schedule = engine.lr_scheduler
        schedule.last_epoch = round(schedule.last_epoch * steps_share)
        schedule.base_lrs = self.base_lrs
        groups = engine.basic_optimizer.param_groups
        for group, own, base, factor in zip(
            groups, self.groups, self.base_lrs, schedule.lr_lambdas, strict=True
        ):
            group.update(own, lr=base * factor(schedule.last_epoch))
        schedule._last_lr = [group["lr"] for group in groups]
        if self.clip is not None:
            engine.optimizer.clip_grad = self.clip
