"""Pretrained networks: what they are told, what is trained at which rate, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pretrained_models import POSITIONS, SPECIAL, WORDS, save_bert, save_gpt2
from pydantic import TypeAdapter

from tuner import models
from tuner.errors import ExperimentError
from tuner.models import DataShape
from tuner.spec.sections import PretrainedSpec

NUM_TOKENS = len(SPECIAL) + len(WORDS)
ROWS = DataShape(input_shape=(8,), num_tokens=NUM_TOKENS, padding=0)
FULL_ROWS = DataShape(input_shape=(8,), num_tokens=NUM_TOKENS)
SENTENCE = [2, 4, 6, 9, 3]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_gpt2(tmp_path_factory.mktemp("models") / "gpt2")


def spec_of(folder: Path | str, tuning: Any = "full") -> PretrainedSpec:
    section = {"type": "pretrained", "name": str(folder), "tuning": tuning}
    return TypeAdapter(PretrainedSpec).validate_python(section)


def build(folder: Path, tuning: Any = "full", *, per_token: bool = False, seed: int = 0, **more: Any) -> Any:
    torch.manual_seed(seed)
    shape, num_outputs = (FULL_ROWS, NUM_TOKENS) if per_token else (ROWS, 3)
    return models.build(spec_of(folder, tuning), shape, num_outputs, per_token=per_token, **more).eval()


def check(
    name: Path | str, tuning: Any = "full", *, per_token: bool = False, shape: DataShape = ROWS
) -> None:
    models.check_pretrained(spec_of(name, tuning), shape, per_token=per_token)


def trained(model: Any) -> set[str]:
    return {name for name, weight in model.network.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("type_vocab_size", [1, 2])
def test_the_texts_of_a_pair_have_types_where_the_model_knows_two(
    tmp_path: Path, type_vocab_size: int
) -> None:
    folder = save_bert(tmp_path / "model", type_vocab_size=type_vocab_size)
    pairs = DataShape(input_shape=(8,), num_tokens=NUM_TOKENS, padding=0, separator=3)
    torch.manual_seed(0)
    model = models.build(spec_of(folder), pairs, 3).eval()
    tokens, types = [2, 4, 6, 3, 9, 10, 3, 0], [0, 0, 0, 0, 1, 1, 1, 0]
    given = {"token_type_ids": torch.tensor([types])} if type_vocab_size == 2 else {}
    is_token = torch.tensor([[int(token != 0) for token in tokens]])
    ids = torch.tensor([tokens])
    expected = model.network(input_ids=ids, attention_mask=is_token, **given).logits
    torch.testing.assert_close(model(ids), expected)
    assert torch.allclose(build(folder)(ids), expected) == (type_vocab_size == 1)


def test_a_language_model_has_an_output_for_each_token_of_the_vocabulary(gpt2: Path) -> None:
    model = build(gpt2, per_token=True)
    assert model.network.config.vocab_size > NUM_TOKENS
    assert model(torch.tensor([SENTENCE])).shape == (1, len(SENTENCE), NUM_TOKENS)


def test_the_seed_decides_the_new_head_and_nothing_else(bert: Path) -> None:
    one, same, other = (build(bert, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = {name for name in one if not torch.equal(one[name], other[name])}
    assert drawn == {"network.classifier.weight", "network.bert.pooler.dense.weight"}


@pytest.mark.parametrize("num_outputs", [2, 3])
def test_an_old_head_goes_on_where_it_has_the_classes(bert: Path, tmp_path: Path, num_outputs: int) -> None:
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(5)
    old = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=2)
    old.save_pretrained(tmp_path)
    torch.manual_seed(0)
    new = models.build(spec_of(tmp_path), ROWS, num_outputs).network
    assert torch.equal(new.bert.pooler.dense.weight, old.bert.pooler.dense.weight)
    assert new.classifier.out_features == num_outputs
    assert torch.equal(new.classifier.weight[:2], old.classifier.weight) == (num_outputs == 2)


@pytest.mark.parametrize("tuning", ["full", {"type": "lora", "rank": 2}])
def test_it_is_built_from_its_configuration_alone(bert: Path, tuning: Any) -> None:
    model = build(bert, tuning)
    config = json.loads(json.dumps(models.read_config(spec_of(bert))))
    copy = build(Path("/nowhere"), tuning, config=config)
    copy.load_state_dict(model.state_dict())
    rows = torch.tensor([SENTENCE])
    assert torch.equal(model(rows), copy(rows))
    assert str(bert) not in json.dumps(config)


class TestRates:
    def test_each_layer_has_a_share_of_the_one_above(self, bert: Path) -> None:
        model = build(bert, {"type": "full", "layer_decay": 0.5})
        names = {id(weight): name for name, weight in model.network.named_parameters()}
        groups = models.rate_groups(model)
        assert [share for share, _ in groups] == [1.0, 0.5, 0.25, 0.125, 0.0625]
        parts = [{_part(names[id(weight)]) for weight in weights} for _, weights in groups]
        assert parts == [{"pooler", "classifier"}, {"layer 2"}, {"layer 1"}, {"layer 0"}, {"embeddings"}]
        assert sum(len(weights) for _, weights in groups) == len(names)

    def test_a_head_that_shares_the_embeddings_weights_is_one_of_them(self, gpt2: Path) -> None:
        model = build(gpt2, {"type": "full", "layer_decay": 0.1}, per_token=True)
        network, groups = model.network, models.rate_groups(model)
        shares = {id(weight): share for share, weights in groups for weight in weights}
        assert shares[id(network.lm_head.weight)] == shares[id(network.transformer.wpe.weight)]
        assert shares[id(network.lm_head.weight)] == pytest.approx(0.001)
        assert shares[id(network.transformer.ln_f.weight)] == 1.0

    def test_without_a_decay_there_is_one_group(self, bert: Path) -> None:
        [(share, weights)] = models.rate_groups(build(bert))
        assert (share, len(weights)) == (1.0, len(list(build(bert).parameters())))


def _part(name: str) -> str:
    layer = re.search(r"\.layer\.(\d+)\.", name)
    if layer:
        return f"layer {layer[1]}"
    return next(part for part in ("embeddings", "pooler", "classifier") if part in name)


class TestTuning:
    @pytest.mark.parametrize(("layers", "parts"), [(0, 3), (2, 1), (3, 0), ("all", 0)])
    def test_frozen_layers(self, bert: Path, layers: Any, parts: int) -> None:
        names = trained(build(bert, {"type": "frozen", "layers": layers}))
        expected = {"pooler", "classifier", *(f"layer {place}" for place in range(3 - parts, 3))}
        assert {_part(name) for name in names} == expected

    def test_adapters_and_the_head_of_a_classifier(self, bert: Path) -> None:
        names = trained(build(bert, {"type": "lora", "targets": ["query", "output.dense"]}))
        adapters = {name for name in names if "lora_" in name}
        assert {_part(name) for name in names - adapters} == {"pooler", "classifier"}
        # Two weights of query, attention.output.dense and output.dense in each of three layers.
        assert len(adapters) == 2 * 3 * 3

    def test_adapters_alone_of_a_language_model(self, gpt2: Path) -> None:
        names = trained(build(gpt2, "lora", per_token=True))
        assert all("lora_" in name for name in names)
        # c_attn, c_proj, c_fc and the other c_proj in each of two layers.
        assert len(names) == 2 * 4 * 2

    def test_adapters_begin_at_nothing_and_their_size_follows_alpha(self, bert: Path) -> None:
        rows = torch.tensor([SENTENCE])
        small, large = (build(bert, {"type": "lora", "alpha": alpha}) for alpha in (1.0, 8.0))
        assert torch.equal(small(rows), large(rows))
        layers = [m.network.bert.encoder.layer[0].attention.self.query for m in (small, large)]
        assert [layer.scaling["default"] for layer in layers] == [1 / 8, 1.0]


class TestRefused:
    def test_what_is_right_is_not(self, bert: Path, gpt2: Path) -> None:
        check(bert, {"type": "lora", "targets": ["query"]})
        check(gpt2, {"type": "frozen", "layers": 2}, per_token=True, shape=FULL_ROWS)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match=r"must be the folder of a model .* but .*/none is none"):
            check(tmp_path / "none")

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="has no config.json; correct the path"):
            check(tmp_path)

    def test_a_name_that_is_a_folder_here_too_is_one_of_the_hub(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_bert(tmp_path / "minilm")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ExperimentError, match="minilm cannot be had from there"):
            check("minilm")

    def test_a_name_on_the_hub_without_a_network(self) -> None:
        sentence = (
            r"some/model cannot be had from there \(it is not in the cache, and the Hub is out of reach\);"
        )
        with pytest.raises(ExperimentError, match=sentence):
            check("some/model")

    @pytest.mark.parametrize(
        "content", ["{", "[]", '{"model_type": "unheard of"}', '{"model_type": "bert", "hidden_size": "x"}']
    )
    def test_a_damaged_configuration(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(ExperimentError, match="that transformers knows, but .* cannot be read"):
            check(tmp_path)

    def test_code_that_comes_with_a_model(self, tmp_path: Path) -> None:
        (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
        config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ExperimentError, match="cannot be read"):
            check(tmp_path)

    def test_a_kernel_that_a_configuration_names(self, bert: Path) -> None:
        config = models.read_config(spec_of(bert)) | {"attn_implementation": "someone/kernel"}
        assert build(bert, config=config).network.config._attn_implementation == "sdpa"

    def test_weights_that_are_no_safetensors(self, tmp_path: Path) -> None:
        save_bert(tmp_path)
        (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
        with pytest.raises(ExperimentError, match=r"weights in safetensors, but .* has no model.safetensors"):
            check(tmp_path)

    def test_damaged_weights(self, tmp_path: Path) -> None:
        weights = save_bert(tmp_path) / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(ExperimentError, match=r"those of .* cannot be read"):
            build(tmp_path)

    def test_weights_of_another_model(self, bert: Path, tmp_path: Path) -> None:
        save_bert(tmp_path, num_hidden_layers=4)
        (tmp_path / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
        with pytest.raises(ExperimentError, match=r"16 are missing .* such as bert.encoder.layer.3"):
            build(tmp_path)

    def test_more_tokens_than_the_model_knows(self, bert: Path) -> None:
        shape = DataShape(input_shape=(8,), num_tokens=NUM_TOKENS + 1, padding=0)
        with pytest.raises(
            ExperimentError, match=f"knows {NUM_TOKENS} and the tokenizer has {NUM_TOKENS + 1}"
        ):
            check(bert, shape=shape)

    def test_longer_rows_than_the_model_has_positions(self, bert: Path) -> None:
        check(bert, shape=DataShape(input_shape=(POSITIONS,), num_tokens=NUM_TOKENS, padding=0))
        shape = DataShape(input_shape=(POSITIONS + 1,), num_tokens=NUM_TOKENS, padding=0)
        with pytest.raises(ExperimentError, match=f"found {POSITIONS + 1} and .* has {POSITIONS}; lower it"):
            check(bert, shape=shape)

    def test_positions_of_roberta_count_from_the_padding(self, tmp_path: Path) -> None:
        from transformers import RobertaConfig, RobertaForMaskedLM

        size = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        config = RobertaConfig(**size, intermediate_size=8, max_position_embeddings=12, pad_token_id=1)
        RobertaForMaskedLM(config).save_pretrained(tmp_path)
        longest = DataShape(input_shape=(10,), num_tokens=30, padding=1)
        check(tmp_path, shape=longest)
        models.build(spec_of(tmp_path), longest, 2)(torch.full((1, 10), 5))
        with pytest.raises(ExperimentError, match="found 11 and .* has 10"):
            check(tmp_path, shape=DataShape(input_shape=(11,), num_tokens=30, padding=1))

    def test_an_encoder_for_language_modelling(self, bert: Path) -> None:
        with pytest.raises(ExperimentError, match="type bert; choose a decoder"):
            check(bert, per_token=True, shape=FULL_ROWS)

    def test_a_model_that_has_no_such_task(self, tmp_path: Path) -> None:
        from transformers import ViTConfig, ViTModel

        size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        ViTModel(ViTConfig(**size, image_size=32)).save_pretrained(tmp_path)
        with pytest.raises(ExperimentError, match=r"for text classification, but .* is of type vit"):
            check(tmp_path)

    def test_nothing_left_to_train(self, tmp_path: Path) -> None:
        from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

        # Nothing comes after its layers but a head with the embedding's weights.
        config = OpenAIGPTConfig(vocab_size=NUM_TOKENS, n_embd=8, n_layer=1, n_head=1, n_positions=8)
        OpenAIGPTLMHeadModel(config).save_pretrained(tmp_path)
        check(tmp_path, {"type": "frozen", "layers": 0}, per_token=True, shape=FULL_ROWS)
        with pytest.raises(ExperimentError, match="must leave a weight to train, but all are frozen"):
            check(tmp_path, "frozen", per_token=True, shape=FULL_ROWS)

    def test_layers_that_share_their_weights(self, tmp_path: Path) -> None:
        from transformers import AlbertConfig, AlbertModel

        size = {"vocab_size": NUM_TOKENS, "embedding_size": 8, "hidden_size": 8, "intermediate_size": 8}
        AlbertModel(AlbertConfig(**size, num_attention_heads=1, num_hidden_layers=2)).save_pretrained(
            tmp_path
        )
        with pytest.raises(ExperimentError, match="one of type albert has none; choose another model"):
            check(tmp_path)

    def test_more_frozen_layers_than_there_are(self, bert: Path) -> None:
        with pytest.raises(ExperimentError, match="found 4 with 3 layers; lower it"):
            check(bert, {"type": "frozen", "layers": 4})

    @pytest.mark.parametrize("target", ["quarry", "classifier", "uery"])
    def test_a_target_that_is_no_linear_layer(self, bert: Path, target: str) -> None:
        with pytest.raises(ExperimentError, match=f"found {target}; it has: dense, key, query, value"):
            check(bert, {"type": "lora", "targets": [target]})


def test_only_a_pretrained_model_costs_its_import() -> None:
    code = "import sys, tuner.models, tuner.execution.checks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"transformers", "peft"} & set(loaded.split()) == set()
