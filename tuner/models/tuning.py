"""Which weights of a pretrained network are trained, and at which share of the learning rate.

A weight has a depth: 0 in the embeddings, 1 in the first layer and so on, and one more than the last layer's
in what comes after (norm, pooler, head). Shares that fall with the depth: Howard and Ruder, "Universal
Language Model Fine-tuning for Text Classification", 2018, section 3.2. Adapters: Hu et al., "LoRA: Low-Rank
Adaptation of Large Language Models", 2021, by `peft`.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from tuner.errors import ExperimentError
from tuner.spec.sections import FrozenTuning, LoraTuning, Tuning

_NOT_CALLED = {"wavlm": ("q_proj", "k_proj", "v_proj", "out_proj")}
"""By type of model: linear layers of which the attention reads the weights itself, so that an adapter beside
one would do nothing."""

RateGroups = list[tuple[float, list[nn.Parameter]]]
"""Weights that are trained at this share of the learning rate; the largest share comes first."""


def rate_groups(network: nn.Module, decay: float) -> RateGroups:
    """The trained weights of `network`; each depth has `decay` times the share of the one above it."""
    if decay == 1:
        return [(1.0, [weight for weight in network.parameters() if weight.requires_grad])]
    depths = _depths(network)
    top = max(depths.values())
    weights: dict[int, list[nn.Parameter]] = {depth: [] for depth in range(top, -1, -1)}
    for name, weight in network.named_parameters():
        weights[depths[name]].append(weight)
    return [(decay ** (top - depth), group) for depth, group in weights.items() if group]


def apply(network: Any, tuning: Tuning, *, trains_head: bool) -> None:
    """Adds adapters, and takes the gradients from what stays as it is.

    Args:
        trains_head: whether what comes after the layers is trained beside adapters.

    Raises:
        ExperimentError: the network has no such layers, or nothing is left to train.
    """
    if isinstance(tuning, FrozenTuning):
        _freeze(network, _num_frozen(network, tuning))
    elif isinstance(tuning, LoraTuning):
        _add_adapters(network, tuning, trains_head)


def check(network: Any, tuning: Tuning) -> None:
    """Raises ExperimentError where `apply` would; does not import peft."""
    if isinstance(tuning, FrozenTuning):
        _freeze(network, _num_frozen(network, tuning))
    elif isinstance(tuning, LoraTuning):
        _targets(network, tuning)
    else:
        _layers(network)


def names_below_the_head(network: Any) -> set[str]:
    """Of the weights that no fine-tuning can draw anew."""
    depths = _depths(network)
    return {name for name, depth in depths.items() if depth < max(depths.values())}


def _freeze(network: Any, num_layers: int) -> None:
    depths = _depths(network)
    for name, weight in network.named_parameters():
        weight.requires_grad_(depths[name] > num_layers)
    if not any(weight.requires_grad for weight in network.parameters()):
        raise ExperimentError(
            "model.tuning must leave a weight to train, but all are frozen; freeze fewer layers, or use lora"
        )


def _num_frozen(network: Any, tuning: FrozenTuning) -> int:
    num_layers = len(_layers(network)[1])
    if tuning.layers == "all":
        return num_layers
    if tuning.layers > num_layers:
        raise ExperimentError(
            f"model.tuning.layers must not exceed the layers of the model, but found {tuning.layers} with "
            f"{num_layers} layers; lower it, or use all"
        )
    return tuning.layers


def _add_adapters(network: Any, tuning: LoraTuning, trains_head: bool) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    top = {id(weight) for weight in _weights_after_the_layers(network)}
    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=tuning.dropout,
        target_modules=_targets(network, tuning),
    )
    inject_adapter_in_model(config, network.base_model)
    for name, weight in network.named_parameters():
        weight.requires_grad_("lora_" in name or (trains_head and id(weight) in top))


def _targets(network: Any, tuning: LoraTuning) -> list[str]:
    """Whole names of the linear layers that get an adapter."""
    from transformers.pytorch_utils import Conv1D

    prefix, layers = _layers(network)
    without = _NOT_CALLED.get(network.config.model_type, ())
    linear = [
        f"{prefix}.{name}"
        for name, module in layers.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name.rpartition(".")[2] not in without
    ]
    if not linear:
        raise ExperimentError(
            "model.tuning lora needs linear layers, but a model of type "
            f"{network.config.model_type} has none in its layers; use full or frozen"
        )
    if tuning.targets == "all":
        return linear
    for target in tuning.targets:
        if not any(_is_named(name, target) for name in linear):
            allowed = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise ExperimentError(
                f"model.tuning.targets must name linear layers of the model, but found {target}; "
                f"it has: {allowed}"
            )
    return [name for name in linear if any(_is_named(name, target) for target in tuning.targets)]


def _is_named(name: str, target: str) -> bool:
    return f".{name}".endswith(f".{target}")


def _weights_after_the_layers(network: Any) -> list[nn.Parameter]:
    depths = _depths(network)
    top = max(depths.values())
    return [weight for name, weight in network.named_parameters() if depths[name] == top]


def _depths(network: Any) -> dict[str, int]:
    """Of each weight by name. A head that shares the embedding's weights has its depth."""
    _, layers = _layers(network)
    of_layers = {id(weight): i for i, layer in enumerate(layers, start=1) for weight in layer.parameters()}
    of_base = {id(weight) for weight in network.base_model.parameters()}
    depths: dict[str, int] = {}
    after = len(layers) + 1
    below = 0
    for name, weight in network.named_parameters():
        depth = of_layers.get(id(weight), below if id(weight) in of_base else after)
        # What a model holds after its layers lies above them.
        below = after if id(weight) in of_layers else below
        depths[name] = depth
    return depths


def _layers(network: Any) -> tuple[str, nn.ModuleList]:
    """The list of the network's layers, and its name in `network.base_model`."""
    config = network.config.get_text_config()
    # The layers of a convolutional network are its stages.
    num_layers = getattr(config, "num_hidden_layers", None) or len(getattr(config, "depths", ()))
    for name, module in network.base_model.named_modules():
        # As many convolutions may make the frames of a wave.
        is_list = isinstance(module, nn.ModuleList) and not name.startswith("feature_extractor.")
        if is_list and len(module) == num_layers:
            return name, module
    raise ExperimentError(
        "a pretrained model must have its layers in one list, but one of type "
        f"{network.config.model_type} has none; choose another model"
    )
