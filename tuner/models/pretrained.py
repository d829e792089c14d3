"""Pretrained networks of Hugging Face's transformers: for texts, running text, images and recordings.

    check_pretrained(spec, shape, per_token=False)                   # before anything starts
    check_pretrained_images(spec, input_shape)                       # of a network for images
    check_pretrained_waves(spec, sample_rate, num_samples)           # of one for recordings
    network = build_pretrained(spec, shape, num_outputs, per_token=False)

A network comes with the weights of its folder, or of the Hub, and with a new head where the task has other
classes; `tuner/models/tuning.py` says which of them are trained. Only safetensors are read, and no code that
comes with a model is run. transformers takes seconds to import, which only a spec with such a model pays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tuner.errors import ExperimentError
from tuner.hub import hub_failure, hub_folder
from tuner.models import tuning
from tuner.models.hearing import Hearing, hearing_of, hears
from tuner.models.layers import normalise_in_float32
from tuner.models.shapes import DataShape, row_lengths
from tuner.spec.sections import FullTuning, PretrainedSpec

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PREPROCESSOR = "preprocessor_config.json"
_FILES = (_CONFIG, _PREPROCESSOR, "generation_config.json", "model*.safetensors", _WEIGHTS[1])
_CLASSES = {
    "text classification": "AutoModelForSequenceClassification",
    "language modelling": "AutoModelForCausalLM",
    "image classification": "AutoModelForImageClassification",
    "audio classification": "AutoModelForAudioClassification",
}
"""What a network is for, and the class of transformers that builds it."""


class Pretrained(nn.Module):
    """A network of transformers, and the rates at which its weights are trained."""

    def __init__(self, spec: PretrainedSpec, network: Any) -> None:
        super().__init__()
        self.network = network
        self._decay = spec.tuning.layer_decay if isinstance(spec.tuning, FullTuning) else 1.0

    def rate_groups(self) -> tuning.RateGroups:
        return tuning.rate_groups(self.network, self._decay)


class _OfTokens(Pretrained):
    """Tokens [rows, length] -> [rows, num_outputs], or [rows, length, num_outputs] of a language model."""

    def __init__(self, spec: PretrainedSpec, network: Any, data: DataShape, num_outputs: int) -> None:
        super().__init__(spec, network)
        self._padding, self._num_outputs = data.padding, num_outputs
        self._separator = data.separator if _has_token_types(network.config) else None

    def forward(self, tokens: Tensor) -> Tensor:
        if not len(tokens):
            # Some networks refuse it, but under ZeRO stage 3 every rank must go through every layer.
            return self.forward(tokens.new_zeros(1, *tokens.shape[1:]))[:0]
        is_token, inputs = None, {}
        if self._padding is not None:
            places = torch.arange(tokens.shape[1], device=tokens.device)
            is_token = (places < row_lengths(tokens, self._padding)[:, None]).long()
        if self._separator is not None:
            inputs["token_type_ids"] = _token_types(tokens, self._separator)
        outputs: Tensor = self.network(input_ids=tokens, attention_mask=is_token, **inputs).logits
        # A model's vocabulary may be larger than its tokenizer's.
        return outputs[..., : self._num_outputs]


class _OfImages(Pretrained):
    """Images [rows, channels, height, width] as the store gives them -> [rows, num_outputs].

    The network gets the pixels in its own unit, to which `factor` and `summand`, saved beside the weights,
    lead back from that of the store; grey images go to each of its channels.
    """

    factor: Tensor
    summand: Tensor

    def __init__(self, spec: PretrainedSpec, network: Any, factor: Tensor, summand: Tensor) -> None:
        super().__init__(spec, network)
        self.register_buffer("factor", factor)
        self.register_buffer("summand", summand)

    def forward(self, images: Tensor) -> Tensor:
        if not len(images):
            # As in `_OfTokens`.
            return self.forward(images.new_zeros(1, *images.shape[1:]))[:0]
        pixels = images * self.factor[:, None, None] + self.summand[:, None, None]
        outputs: Tensor = self.network(pixel_values=pixels.to(images.dtype)).logits
        return outputs


class _OfWaves(Pretrained):
    """Waves [rows, samples] as the store gives them -> [rows, num_outputs]."""

    def __init__(self, spec: PretrainedSpec, network: Any, hearing: Hearing) -> None:
        super().__init__(spec, network)
        self._hearing = hearing
        convolutions = getattr(network.base_model, "feature_extractor", None)
        if convolutions is not None and not any(weight.requires_grad for weight in convolutions.parameters()):
            # Else gradients go down to the samples.
            network.freeze_feature_encoder()

    def forward(self, waves: Tensor) -> Tensor:
        if not len(waves):
            # As in `_OfTokens`.
            return self.forward(waves.new_zeros(1, *waves.shape[1:]))[:0]
        outputs: Tensor = self.network(**self._hearing.inputs(waves)).logits
        return outputs


def build_pretrained(
    spec: PretrainedSpec,
    data: DataShape,
    num_outputs: int,
    *,
    per_token: bool,
    config: Mapping[str, Any] | None = None,
) -> Pretrained:
    """The network, with adapters and without gradients as its tuning says.

    Args:
        config: what `read_config` gave, for a network whose weights are put in later; None: they are loaded.

    Raises:
        ExperimentError: there is no such model, or it does not fit.
    """
    purpose = _purpose(data, per_token)
    own = _fitted(_config(spec.name) if config is None else _config_of(config), data, num_outputs, per_token)
    network = _load(spec.name, own, purpose) if config is None else _empty(spec.name, own, purpose)
    tuning.apply(network, spec.tuning, trains_head=not per_token)
    normalise_in_float32(network)
    if data.num_tokens is not None:
        return _OfTokens(spec, network, data, num_outputs)
    if purpose == "audio classification":
        hearing = _hearing(spec.name, own) if config is None else _hearing_as_written(config, own)
        return _OfWaves(spec, network, hearing)
    if config is not None:
        return _OfImages(spec, network, *torch.zeros(2, _num_channels(own)))
    return _OfImages(spec, network, *_from_store(*_from_bytes(spec.name, _num_channels(own)), data))


def read_config(spec: PretrainedSpec) -> dict[str, Any]:
    """The model's config.json, with which it can be built without its folder; with how it hears."""
    config = _config(spec.name)
    content: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    content.pop("_name_or_path", None)
    return content | ({_PREPROCESSOR: _preprocessor(spec.name)} if hears(config) else {})


def check_pretrained(spec: PretrainedSpec, data: DataShape, *, per_token: bool) -> None:
    """Raises ExperimentError when the model is not there, or does not fit tokens, length or tuning."""
    assert data.num_tokens is not None, data
    config = _config(spec.name)
    _check_weights(spec.name)
    if per_token:
        _check_is_causal(spec.name, config)
    with torch.device("meta"):
        network = _empty(spec.name, _fitted(config, data, 2, per_token), _purpose(data, per_token))
    num_tokens, (length,) = config.get_text_config().vocab_size, data.input_shape
    if data.num_tokens > num_tokens:
        raise ExperimentError(
            f"the tokens of data.text.tokenizer must be among those of the model, but {spec.name} knows "
            f"{num_tokens} and the tokenizer has {data.num_tokens}; use the model's own tokenizer"
        )
    positions = _num_positions(network)
    if positions is not None and length > positions:
        raise ExperimentError(
            f"data.text.max_length must not exceed the positions of the model, but found {length} and "
            f"{spec.name} has {positions}; lower it"
        )
    tuning.check(network, spec.tuning)


def check_pretrained_images(spec: PretrainedSpec, input_shape: tuple[int, ...] | None) -> None:
    """Raises ExperimentError when the model is not there, or does not fit images or tuning.

    Args:
        input_shape: (channels, height, width); None: not known yet.
    """
    config = _config(spec.name)
    _check_weights(spec.name)
    with torch.device("meta"):
        network = _empty(spec.name, config, "image classification")
    _from_bytes(spec.name, _num_channels(config))
    tuning.check(network, spec.tuning)
    if input_shape is not None:
        _check_takes(spec.name, network, input_shape)


def check_pretrained_waves(spec: PretrainedSpec, sample_rate: int, num_samples: int) -> None:
    """Raises ExperimentError when the model is not there, or does not fit recordings or tuning.

    Args:
        num_samples: of the longest recording, at `sample_rate` a second.
    """
    config = _config(spec.name)
    _check_weights(spec.name)
    with torch.device("meta"):
        network = _empty(spec.name, _without_chance(config), "audio classification")
    if not hears(config):
        raise ExperimentError(
            f"model.name must be a model that hears waves, but {spec.name} is of type {config.model_type}, "
            "which hears features of its own making; choose one such as wav2vec 2.0, HuBERT or AST"
        )
    hearing = _hearing(spec.name, config)
    if sample_rate != hearing.sample_rate:
        raise ExperimentError(
            f"data.audio.sample_rate must be that of the model, but found {sample_rate} and {spec.name} "
            f"hears {hearing.sample_rate} samples a second; set it to {hearing.sample_rate}"
        )
    if num_samples < hearing.shortest:
        raise ExperimentError(
            f"data.audio.max_seconds must be enough for a frame of the model, but found {num_samples} "
            f"samples and {spec.name} makes its first frame of {hearing.shortest}; raise it"
        )
    tuning.check(network, spec.tuning)


def _check_takes(name: str, network: Any, input_shape: tuple[int, ...]) -> None:
    channels, *size = input_shape
    wanted = _num_channels(network.config)
    if channels not in (1, wanted):
        raise ExperimentError(
            f"images must be grey or have the {wanted} channels of the model, but {name} got images with "
            f"{channels}; use data.image.mode grey, or another model"
        )
    try:
        network(pixel_values=torch.zeros(2, wanted, *size, device="meta"))
    except (ValueError, RuntimeError) as error:
        side = getattr(_of_vision(network.config), "image_size", None)
        fix = f"set data.image.size to {side}" if side else "set a larger data.image.size"
        raise ExperimentError(
            f"images must have a size that the model takes, but {name} does not take {size[0]} x {size[1]} "
            f"pixels ({_line(error)}); {fix}"
        ) from error


def _config(name: str) -> Any:
    transformers = _transformers()
    folder = _folder(name)
    try:
        return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        # transformers lets through what its JSON and its own checks raise.
        raise ExperimentError(
            f"model.name must be a model that transformers knows, but {name} cannot be read "
            f"({_line(error)}); correct it"
        ) from error


def _folder(name: str) -> Path:
    """Where the model's files are on this machine."""
    folder = Path(name)
    if not folder.is_absolute():
        return _of_hub(name)
    if not (folder / _CONFIG).is_file():
        found = f"has no {_CONFIG}" if folder.is_dir() else "is none"
        raise ExperimentError(
            f"model.name must be the folder of a model of transformers, but {name} {found}; correct the path"
        )
    return folder


def _of_hub(name: str) -> Path:
    try:
        return hub_folder(name, _FILES)
    except Exception as error:
        # Offline, not found and not allowed are of many types, of the libraries below too.
        raise ExperimentError(
            f"model.name must be a folder (which begins with ./) or a model on the Hugging Face Hub, but "
            f"{name} cannot be had from there ({hub_failure(error)}); correct it, or give a folder"
        ) from error


def _config_of(content: Mapping[str, Any]) -> Any:
    transformers = _transformers()
    try:
        own = {key: value for key, value in content.items() if key != _PREPROCESSOR}
        return transformers.AutoConfig.for_model(**own)
    except Exception as error:
        # The checks of transformers have no type of their own.
        raise _not_as_written(error) from error


def _not_as_written(error: Exception) -> ExperimentError:
    return ExperimentError(
        f"the config.json of a pretrained model must be as it was written, but it cannot be read "
        f"({_line(error)}); export the model again"
    )


def _fitted(config: Any, data: DataShape, num_outputs: int, per_token: bool) -> Any:
    """`config` for this data and task."""
    config.use_cache = False
    # Else a file could name code on the Hub here.
    config._attn_implementation = None
    if not per_token:
        config.num_labels = num_outputs
    if data.padding is not None:
        config.pad_token_id = data.padding
    return _without_chance(config) if hears(config) else config


def _without_chance(config: Any) -> Any:
    """Without layers and frames that are left out at random: by numpy, whose state no checkpoint has, and on
    each rank others, so that at ZeRO stage 3 one would wait for another's layer."""
    config.layerdrop = config.mask_time_prob = config.mask_feature_prob = 0.0
    return config


def _empty(name: str, config: Any, purpose: str) -> Any:
    try:
        return _auto_class(purpose).from_config(config, dtype=torch.float32, trust_remote_code=False)
    except (TypeError, ValueError) as error:
        # Of several classes for a type it takes the one that `architectures` names, or fails to.
        raise ExperimentError(
            f"model.name must be a model that transformers has for {purpose}, but {name} is of type "
            f"{config.model_type} ({_line(error)}); choose another"
        ) from error


def _load(name: str, config: Any, purpose: str) -> Any:
    try:
        network, found = _auto_class(purpose).from_pretrained(
            _folder(name),
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:
        # What is raised for a damaged file depends on the place of the damage.
        raise ExperimentError(
            f"model.name must have weights in safetensors, but those of {name} cannot be read "
            f"({_line(error)}); put back a copy of them"
        ) from error
    missing = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
    lost = sorted(missing & tuning.names_below_the_head(network))
    if lost:
        raise ExperimentError(
            f"the weights of a pretrained model must fit its config.json, but in {name} {len(lost)} are "
            f"missing or of another shape, such as {lost[0]}; put back a copy of the model"
        )
    return network


def _check_weights(name: str) -> None:
    folder = _folder(name)
    if not any((folder / file).is_file() for file in _WEIGHTS):
        raise ExperimentError(
            f"model.name must have weights in safetensors, but {name} has no {_WEIGHTS[0]} that can be read; "
            "give a folder with one, as save_pretrained of a present transformers writes it"
        )


def _check_is_causal(name: str, config: Any) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        raise ExperimentError(
            f"language modelling needs a model whose tokens see only those before them, but {name} is of "
            f"type {config.model_type}; choose a decoder such as GPT-2"
        )


def _preprocessor(name: str) -> Any:
    """What preprocessor_config.json holds."""
    return json.loads((_folder(name) / _PREPROCESSOR).read_bytes())


def _hearing(name: str, config: Any) -> Hearing:
    try:
        return hearing_of(_preprocessor(name), config)
    except Exception as error:
        # As in `_from_bytes`.
        raise ExperimentError(
            f"a pretrained model for recordings must say in {_PREPROCESSOR} how it hears them, with "
            f"sampling_rate, but that of {name} cannot be used ({type(error).__name__}: {_line(error)}); "
            "put back the file, or choose another model"
        ) from error


def _hearing_as_written(content: Mapping[str, Any], config: Any) -> Hearing:
    """From what `read_config` gave."""
    try:
        return hearing_of(content[_PREPROCESSOR], config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_as_written(error) from error


def _num_channels(config: Any) -> int:
    return getattr(_of_vision(config), "num_channels", 3)


def _of_vision(config: Any) -> Any:
    """Where a configuration speaks of images: in a part of its own where the model knows texts too."""
    return getattr(config, "vision_config", config)


def _from_bytes(name: str, num_channels: int) -> tuple[Tensor, Tensor]:
    """Factor and summand of each channel that make of bytes the pixels that the model was trained on."""
    try:
        content = _preprocessor(name)
        unit = content.get("rescale_factor", 1 / 255) if content.get("do_rescale", True) else 1.0
        if content.get("do_flip_channel_order", False):
            raise ValueError("it has do_flip_channel_order")
        is_normalised = content.get("do_normalize", True)
        mean, std = (
            torch.tensor(content[key] if is_normalised else usual, dtype=torch.float64).expand(num_channels)
            for key, usual in (("image_mean", 0.0), ("image_std", 1.0))
        )
        return unit / std, -mean / std
    except Exception as error:
        # What may stand in a file in the place of a number is of any type.
        raise ExperimentError(
            f"a pretrained model for images must say in {_PREPROCESSOR} how its pixels are scaled, with "
            f"image_mean and image_std, but that of {name} cannot be used ({type(error).__name__}: "
            f"{_line(error)}); put back the file, or choose another model"
        ) from error


def _from_store(factor: Tensor, summand: Tensor, data: DataShape) -> tuple[Tensor, Tensor]:
    """The same for images as the store gives them."""
    mean, std = (
        torch.tensor(values, dtype=torch.float64) for values in (data.mean or (0.0,), data.std or (1.0,))
    )
    return (factor * std).float(), (factor * mean + summand).float()


def _has_token_types(config: Any) -> bool:
    return (getattr(config, "type_vocab_size", None) or 0) > 1


def _token_types(tokens: Tensor, separator: int) -> Tensor:
    """[rows, length]: 0 up to the first separator of each row, 1 after it."""
    separators = (tokens == separator).long()
    return (separators.cumsum(dim=1) - separators).clamp(max=1)


def _num_positions(network: Any) -> int | None:
    """Tokens of the longest row; None: any number."""
    positions = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    for name, module in network.named_modules():
        # RoBERTa counts from the token after the padding.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    return positions


def _purpose(data: DataShape, per_token: bool) -> str:
    if data.num_tokens is None:
        return "audio classification" if len(data.input_shape) == 1 else "image classification"
    return "language modelling" if per_token else "text classification"


def _auto_class(purpose: str) -> Any:
    return getattr(_transformers(), _CLASSES[purpose])


def _transformers() -> Any:
    import transformers

    # Its tables of new weights and bars of progress are nothing for the log of a trial.
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _line(error: Exception) -> str:
    """A library's message as a part of our sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
