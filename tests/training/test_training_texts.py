"""Texts through the DeepSpeed loop: the losses of plain torch, exact resume, and the export that predicts."""

import json

import numpy as np
import pytest
from training_cases import experiment_file
from training_gang import job_of
from training_reference import train_plainly

from tuner.data import Store
from tuner.records.paths import TrialPaths
from tuner.results.export import ExportedModel
from tuner.spec import Experiment

pytestmark = pytest.mark.slow

WORDS = {"good": ["fine", "lovely", "warm"], "bad": ["dull", "cold", "weak"]}
LABELLED = {
    "task": "text_classification",
    "data": {
        "source": {"type": "labelled_text", "path": "rows.tsv"},
        "text": {"tokenizer": "byte", "max_length": 24},
    },
    "search": {"metric": "val/accuracy"},
}
RUNNING = {
    "task": "language_modelling",
    "data": {
        "source": {"type": "text", "path": "book.txt"},
        "text": {"tokenizer": "character", "max_length": 16},
    },
    "search": {"metric": "val/loss"},
}
GPT = {"type": "transformer", "kind": "decoder", "width": 32, "depth": 2, "heads": 2}
MODELS = {
    "rnn": {"type": "rnn", "cell": "gru", "width": 16, "embedding": 8, "bidirectional": True},
    "transformer": {"type": "transformer", "width": 16, "depth": 2, "heads": 2},
    "gpt": GPT,
    "checkpointing": GPT | {"checkpointing": True},
    "tied": GPT | {"tie_embeddings": True},
}
CASES = {"rnn": (LABELLED, "rnn"), "encoder": (LABELLED, "transformer"), "decoder": (RUNNING, "gpt")}


@pytest.fixture
def write(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(kind, rng.choice(words)) for kind, words in WORDS.items() for _ in range(100)]
    table = "".join(f"{kind}\ta {word} film {index % 7}\n" for index, (kind, word) in enumerate(rows))
    book = "".join(f"the {WORDS['good'][index % 3]} film was {index % 10}. " for index in range(300))

    def file(case: str, **train):
        base, name = CASES.get(case, (RUNNING, case))
        model = MODELS[name]
        (tmp_path / "rows.tsv").write_text("label\ttext\n" + table)
        (tmp_path / "book.txt").write_text(book)
        settings = {"batch_size": 32, "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}} | train
        return experiment_file(tmp_path, base | {"model": model}, **settings)

    return file


def test_a_compiled_decoder_that_computes_its_blocks_again(gangs, write, tmp_path):
    path = write("checkpointing", compile=True)
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    reports = gangs(2).train(path, tmp_path / "out")
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=5e-4)


def test_tied_embeddings_are_split_once(gangs, write, tmp_path):
    path = write("tied", zero={"stage": 3})
    expected = train_plainly(Experiment.load(path), tmp_path / "plain")
    reports = gangs(2).train(path, tmp_path / "out")
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize("case", CASES)
def test_dropped_tokens_are_those_of_one_rank(gangs, write, tmp_path, case):
    plain = gangs(1).train(write(case), tmp_path / "plain")
    path = write(case, augment={"token_dropout": 0.3})
    alone, together = (gangs(num_ranks).train(path, tmp_path / f"{num_ranks}") for num_ranks in (1, 2))
    assert alone[0].metrics["train/loss"] != pytest.approx(plain[0].metrics["train/loss"], rel=1e-3)
    for expected, found in zip(alone, together, strict=True):
        assert found.metrics["train/loss"] == pytest.approx(expected.metrics["train/loss"], rel=5e-4)


@pytest.mark.parametrize("case", CASES)
def test_it_learns_and_its_export_does_as_it_did(gangs, write, tmp_path, case):
    path, out = write(case, epochs=12, optimizer={"type": "adamw", "lr": 0.01}), tmp_path / "out"
    reports = gangs(1).train(path, out)
    best = max(reports, key=lambda report: report.metrics["val/accuracy"])
    assert best.metrics["val/accuracy"] > 0.8
    exported = open_export(path, out, tmp_path / "export")
    if case == "decoder":
        text = exported.continue_text("the fine film ", num_tokens=40, temperature=0.1)
        assert text.startswith("was ")
    else:
        texts = np.array([f"a {word} film 3" for words in WORDS.values() for word in words], dtype=object)
        found = [row["label"] for row in exported.predict(texts)]
        assert found == [kind for kind, words in WORDS.items() for _ in words]


def open_export(path, out, folder) -> ExportedModel:
    """The kept weights of a training, as `tuner best --export` writes them."""
    job = job_of(path, out)
    manifest = Store.open(job.store).manifest
    folder.mkdir()
    (folder / "weights.pt").write_bytes((TrialPaths(out).best_checkpoint / "weights.pt").read_bytes())
    content = {"spec": job.spec.model_dump(mode="json"), "manifest": json.loads(manifest.to_json())}
    (folder / "model.json").write_text(json.dumps(content))
    return ExportedModel.open(folder)
