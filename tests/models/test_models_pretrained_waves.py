"""Pretrained networks for recordings: what they get of a wave, what is trained, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretrained_models import HEARD_RATE, SHORTEST, save_ast, save_bert, save_hearing
from pydantic import TypeAdapter

from tuner import models
from tuner.errors import ExperimentError
from tuner.models import DataShape
from tuner.spec.sections import PretrainedSpec

NUM_SAMPLES = 700
LENGTHS = (700, 699, 430, 101, 26, 7)
STABLE: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
KINDS: dict[str, dict[str, Any]] = {
    "wav2vec2": {},
    "wav2vec2 with masks": {"masks": True} | STABLE,
    "wav2vec2 as it is": {"normalises": False},
    "hubert": {},
    "hubert with masks": {"masks": True} | STABLE,
    "wavlm": {"masks": True},
    "unispeech": {},
    "unispeech-sat": {},
    "sew": {"masks": True},
    "data2vec-audio": {"masks": True},
    "wav2vec2-conformer": {"masks": True},
}
Saved = Callable[[str], Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            save_ast(root / name) if name == "ast" else save_hearing(
                root / name, name.partition(" ")[0], **KINDS[name]
            )
        return root / name

    return folder


def spec_of(folder: Path, tuning: Any = "full") -> PretrainedSpec:
    section = {"type": "pretrained", "name": str(folder), "tuning": tuning}
    return TypeAdapter(PretrainedSpec).validate_python(section)


def build(folder: Path, tuning: Any = "full", num_samples: int = NUM_SAMPLES, config: Any = None) -> Any:
    torch.manual_seed(0)
    return models.build(
        spec_of(folder, tuning), DataShape(input_shape=(num_samples,)), 4, config=config
    ).eval()


def check(
    folder: Path, tuning: Any = "full", sample_rate: int = HEARD_RATE, num_samples: int = NUM_SAMPLES
) -> None:
    models.check_pretrained_waves(spec_of(folder, tuning), sample_rate, num_samples)


def recordings(lengths: tuple[int, ...] = LENGTHS) -> list[np.ndarray]:
    draw = np.random.default_rng(3)
    return [draw.normal(0.05, 0.1, length).astype(np.float32) for length in lengths]


def rows(heard: list[np.ndarray], num_samples: int = NUM_SAMPLES) -> torch.Tensor:
    """As a store gives them."""
    filled = [np.pad(each, (0, num_samples - len(each))) for each in heard]
    return torch.from_numpy(np.stack(filled))


def trained(model: Any) -> set[str]:
    return {name for name, weight in model.network.named_parameters() if weight.requires_grad}


def set_preprocessor(folder: Path, content: Any) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(content))


class TestHearing:
    @pytest.mark.parametrize("name", KINDS)
    def test_the_network_gets_what_its_own_preprocessor_makes(self, saved: Saved, name: str) -> None:
        from transformers import Wav2Vec2FeatureExtractor

        extractor = Wav2Vec2FeatureExtractor.from_pretrained(saved(name))
        # Too short for a frame are those that transformers makes an error of.
        heard = [each for each in recordings() if len(each) >= SHORTEST + 20]
        if extractor.return_attention_mask:
            fitting = {"padding": "max_length", "max_length": NUM_SAMPLES, "return_tensors": "pt"}
            expected = extractor(heard, sampling_rate=HEARD_RATE, **fitting)
        else:
            # Without a mask it would take the silence behind a recording for a part of that.
            each = [extractor(one, sampling_rate=HEARD_RATE).input_values[0] for one in heard]
            expected = {"input_values": rows(each)}
        model = build(saved(name))
        with torch.no_grad():
            outputs = model(rows(heard))
            torch.testing.assert_close(outputs, model.network(**expected).logits, atol=1e-4, rtol=1e-4)
        assert outputs.std(dim=0).min() > 1e-4

    def test_filter_banks_are_those_of_its_own_preprocessor(self, saved: Saved) -> None:
        from transformers import ASTFeatureExtractor

        model = build(saved("ast"), num_samples=9000)
        heard = recordings((9000, 5600, 5360, 4000, 401, 400))
        extractor = ASTFeatureExtractor.from_pretrained(saved("ast"))
        expected = extractor(heard, sampling_rate=16_000, return_tensors="pt").input_values
        found = model._hearing.inputs(rows(heard, 9000))["input_values"]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        with torch.no_grad():
            expected = model.network(input_values=expected).logits
            torch.testing.assert_close(model(rows(heard, 9000)), expected, atol=1e-3, rtol=1e-3)

    def test_a_mask_leaves_out_what_follows_a_recording(self, saved: Saved) -> None:
        model = build(saved("wav2vec2 with masks"))
        (heard,) = recordings((430,))
        with torch.no_grad():
            alone = model(rows([heard], 430))
            torch.testing.assert_close(model(rows([heard])), alone, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("name", [*KINDS, "ast"])
    def test_short_recordings_are_heard_too(self, saved: Saved, name: str) -> None:
        with torch.no_grad():
            assert build(saved(name))(rows(recordings((1, 3, 25, 26)))).isfinite().all()

    @pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2 with masks", "ast"])
    def test_half_precision(self, saved: Saved, name: str) -> None:
        model, heard = build(saved(name)), rows(recordings())
        with torch.no_grad():
            expected = model(heard)
            model.network.bfloat16()
            outputs = model(heard.bfloat16())
        assert outputs.dtype == torch.bfloat16
        torch.testing.assert_close(outputs.float(), expected, atol=0.1, rtol=0.1)

    @pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2 as it is", "wav2vec2 with masks", "sew", "ast"])
    def test_an_export_hears_the_same(self, saved: Saved, name: str) -> None:
        model = build(saved(name))
        config = json.loads(json.dumps(models.read_config(spec_of(saved(name)))))
        copy = build(Path("/nowhere"), config=config)
        copy.load_state_dict(model.state_dict())
        assert torch.equal(model(rows(recordings())), copy(rows(recordings())))

    def test_nothing_is_left_out_by_chance(self, saved: Saved) -> None:
        model = build(saved("wav2vec2")).train()
        assert torch.equal(model(rows(recordings())), model(rows(recordings())))


class TestWeights:
    def test_of_a_model_without_this_head(self, saved: Saved, tmp_path: Path) -> None:
        from transformers import AutoConfig, AutoModelForPreTraining

        before = AutoModelForPreTraining.from_config(AutoConfig.from_pretrained(saved("wav2vec2")))
        before.save_pretrained(tmp_path)
        shutil.copy(saved("wav2vec2") / "preprocessor_config.json", tmp_path)
        check(tmp_path)
        expected = before.wav2vec2.state_dict()
        del expected["masked_spec_embed"]  # of what is left out by chance
        found = build(tmp_path).network.wav2vec2.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())

    def test_with_the_names_that_torch_gave_them_once(self, saved: Saved, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        expected = build(saved("wav2vec2"))(rows(recordings()))
        shutil.copytree(saved("wav2vec2"), tmp_path / "old")
        file = tmp_path / "old" / "model.safetensors"
        new = {
            "parametrizations.weight.original0": "weight_g",
            "parametrizations.weight.original1": "weight_v",
        }
        weights = load_file(file)
        for name in [name for name in weights if "parametrizations" in name]:
            stem, _, rest = name.partition("parametrizations")
            weights[stem + new["parametrizations" + rest]] = weights.pop(name)
        save_file(weights, file, metadata={"format": "pt"})
        assert torch.equal(build(tmp_path / "old")(rows(recordings())), expected)


class TestTuning:
    def test_layers_are_not_the_convolutions(self, saved: Saved) -> None:
        names = trained(build(saved("wav2vec2"), tuning={"type": "frozen", "layers": 1}))
        assert {name.split(".")[1] for name in names if name.startswith("wav2vec2.")} == {"encoder"}
        assert {name.split(".")[3] for name in names if ".layers." in name} == {"1"}
        assert {"projector.weight", "classifier.bias"} <= names

    @pytest.mark.parametrize("name", [*KINDS, "ast"])
    def test_rates_fall_with_the_depth(self, saved: Saved, name: str) -> None:
        model = build(saved(name), tuning={"type": "full", "layer_decay": 0.5})
        groups = models.rate_groups(model)
        assert [share for share, _ in groups] == [1.0, 0.5, 0.25, 0.125]
        assert sum(len(weights) for _, weights in groups) == len(list(model.parameters()))

    @pytest.mark.parametrize("name", [*KINDS, "ast"])
    def test_adapters_and_the_head_are_trained_and_nothing_else(self, saved: Saved, name: str) -> None:
        model = build(saved(name), tuning="lora").train()
        names = trained(model)
        assert any("lora_" in each for each in names)
        assert all("lora_" in each or "layers." not in each for each in names)
        model(rows(recordings())).square().sum().backward()
        weights = dict(model.network.named_parameters())
        of_second = [each for each in names if "lora_B" in each or "lora_" not in each]
        assert all(weights[each].grad.abs().max() > 0 for each in of_second)

    @pytest.mark.parametrize(("tuning", "is_needed"), [("full", True), ("frozen", False), ("lora", False)])
    def test_frozen_convolutions_need_no_gradients(self, saved: Saved, tuning: str, is_needed: bool) -> None:
        model = build(saved("hubert"), tuning=tuning).train()
        frames = []
        model.network.hubert.feature_extractor.register_forward_hook(lambda *call: frames.append(call[2]))
        model(rows(recordings()))
        assert frames[0].requires_grad == is_needed


class TestRefused:
    @pytest.mark.parametrize("name", KINDS)
    def test_what_is_right_is_not(self, saved: Saved, name: str) -> None:
        for tuning in ("full", "lora", {"type": "frozen", "layers": 2}):
            check(saved(name), tuning)

    def test_filter_banks_neither(self, saved: Saved) -> None:
        check(saved("ast"), "lora", 16_000)

    def test_a_model_for_texts(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="has for audio classification, but .* is of type bert"):
            check(save_bert(tmp_path))

    def test_features_that_it_makes_itself(self, tmp_path: Path) -> None:
        from transformers import WhisperConfig, WhisperForAudioClassification

        layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "d_model": 16}
        config = WhisperConfig(**layers, decoder_attention_heads=2, vocab_size=9, pad_token_id=0)
        WhisperForAudioClassification(config).save_pretrained(tmp_path)
        with pytest.raises(
            ExperimentError, match="hears waves, but .* is of type whisper, which hears features of its own"
        ):
            check(tmp_path)

    def test_another_sample_rate(self, saved: Saved) -> None:
        with pytest.raises(
            ExperimentError,
            match=r"sample_rate must be that of the model, but found 16000 .*; set it to 8000",
        ):
            check(saved("wav2vec2"), sample_rate=16_000)

    @pytest.mark.parametrize(("name", "shortest"), [("wav2vec2", 25), ("sew", 45), ("ast", 400)])
    def test_less_than_a_frame(self, saved: Saved, name: str, shortest: int) -> None:
        rate = 16_000 if name == "ast" else HEARD_RATE
        check(saved(name), sample_rate=rate, num_samples=shortest)
        build(saved(name), num_samples=shortest)(rows(recordings((shortest,)), shortest))
        with pytest.raises(
            ExperimentError, match=f"but found {shortest - 1} samples and .* of {shortest}; raise it"
        ):
            check(saved(name), sample_rate=rate, num_samples=shortest - 1)

    def test_adapters_of_its_own(self, tmp_path: Path) -> None:
        config = json.loads((save_hearing(tmp_path) / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"add_adapter": True}))
        with pytest.raises(ExperimentError, match=r"does not support the use of Wav2Vec2 adapters"):
            check(tmp_path)

    def test_adapters_beside_layers_that_are_not_called(self, saved: Saved) -> None:
        with pytest.raises(
            ExperimentError, match="but found q_proj; it has: gru_rel_pos_linear, intermediat"
        ):
            check(saved("wavlm"), {"type": "lora", "targets": ["q_proj"]})
        check(saved("hubert"), {"type": "lora", "targets": ["q_proj"]})

    @pytest.mark.parametrize(
        "content",
        [
            None,
            [],
            {},
            {"sampling_rate": "fast"},
            {"sampling_rate": 8000, "do_normalize": "yes"},
            {"sampling_rate": 8000, "return_attention_mask": 1},
            {"sampling_rate": 8000, "padding_value": 0.5},
        ],
    )
    def test_waves_of_which_nothing_is_known(self, tmp_path: Path, content: Any) -> None:
        set_preprocessor(save_hearing(tmp_path), content)
        with pytest.raises(ExperimentError, match=r"how it hears them, .* cannot be used \("):
            check(tmp_path)
        (tmp_path / "preprocessor_config.json").unlink()
        with pytest.raises(ExperimentError, match=r"cannot be used \(FileNotFoundError: "):
            build(tmp_path)

    @pytest.mark.parametrize(
        "content", [{"sampling_rate": 8000}, {"max_length": 64}, {"num_mel_bins": 80}, {"std": "one"}]
    )
    def test_filter_banks_that_it_was_not_trained_on(self, tmp_path: Path, content: Any) -> None:
        set_preprocessor(save_ast(tmp_path), {"max_length": 32, "num_mel_bins": 16} | content)
        with pytest.raises(ExperimentError, match=r"cannot be used \(ValueError: its "):
            check(tmp_path, sample_rate=16_000)

    def test_a_damaged_export(self, saved: Saved) -> None:
        config = models.read_config(spec_of(saved("wav2vec2")))
        for changed in ({}, {"preprocessor_config.json": 3}, {"preprocessor_config.json": {}}):
            damaged = {key: value for key, value in config.items() if key != "preprocessor_config.json"}
            with pytest.raises(ExperimentError, match="must be as it was written, but"):
                build(Path("/nowhere"), config=damaged | changed)
