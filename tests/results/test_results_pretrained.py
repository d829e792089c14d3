"""The export of a pretrained model: its configuration is data that may be damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrained_models import save_bert

from tuner import models
from tuner.data import prepare
from tuner.errors import TunerError
from tuner.results.export import ExportedModel
from tuner.spec import Experiment

TREE = {
    "name": "films",
    "task": "text_classification",
    "train": {"epochs": 1},
    "search": {"metric": "val/accuracy"},
}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Of a BERT as it was built."""
    bert = str(save_bert(tmp_path / "bert"))
    rows = tmp_path / "rows.tsv"
    rows.write_text("label\ttext\n" + "good\ta fine film\nbad\ta dull film\n" * 20)
    text = {"tokenizer": {"type": "pretrained", "name": bert}, "max_length": 8}
    data = {"source": {"type": "labelled_text", "path": str(rows)}, "text": text}
    spec = Experiment.from_dict(TREE | {"data": data, "model": {"type": "pretrained", "name": bert}}).resolve(
        {}
    )
    manifest = prepare(spec.data, spec.task, tmp_path / "store").manifest
    out = tmp_path / "out"
    out.mkdir()
    network = models.build(spec.model, models.DataShape.of(manifest), 2)
    torch.save(network.state_dict(), out / "weights.pt")
    content = {"spec": spec.model_dump(mode="json"), "manifest": json.loads(manifest.to_json())}
    (out / "model.json").write_text(json.dumps(content))
    (out / "config.json").write_text(json.dumps(models.read_config(spec.model)))
    (tmp_path / "bert").rename(tmp_path / "elsewhere")
    return out


def test_it_needs_nothing_but_its_folder(export: Path) -> None:
    predictions = ExportedModel.open(export).predict(np.array(["a fine film", "weak"], dtype=object))
    assert {row["label"] for row in predictions} <= {"good", "bad"}
    assert len(predictions) == 2


def test_a_lost_configuration(export: Path) -> None:
    (export / "config.json").unlink()
    with pytest.raises(TunerError, match="a kept model must be as it was written"):
        ExportedModel.open(export)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"model_type": "none"}',
        '{"model_type": "bert", "hidden_size": "x"}',
        "\x00",
    ],
)
def test_a_damaged_configuration(export: Path, content: str) -> None:
    (export / "config.json").write_text(content)
    with pytest.raises(TunerError, match="must be as it was written, but"):
        ExportedModel.open(export)


@pytest.mark.parametrize("changed", [{"hidden_size": 32}, {"num_hidden_layers": 4}, {"vocab_size": 7}])
def test_a_configuration_of_another_model(export: Path, changed: dict[str, int]) -> None:
    config = json.loads((export / "config.json").read_text())
    (export / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(TunerError, match=r"weights.pt is damaged"):
        ExportedModel.open(export)
