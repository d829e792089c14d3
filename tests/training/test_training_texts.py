"""Texts through the DeepSpeed loop: the losses of plain torch, exact resume, and the export that predicts."""

import json

import numpy as np
import pytest
import torch
from training_cases import experiment_file
from training_gang import job_of
from training_reference import train_plainly

from tuner.data import Store
from tuner.records.paths import TrialPaths
from tuner.results.export import ExportedModel
from tuner.spec import Experiment
from tuner.training.evaluation import evaluate
from tuner.training.ranks import Ranks

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
GERMAN = {"fine": "gut", "lovely": "schön", "warm": "warm", "dull": "öde", "cold": "kalt", "weak": "schwach"}
PARALLEL = {
    "task": "translation",
    "data": {
        "source": {"type": "parallel_text", "path": {"source": "texts.en", "target": "texts.de"}},
        "text": {"tokenizer": "character", "max_length": 14},
    },
    "search": {"metric": "val/loss"},
}
PAIRS = LABELLED | {
    "data": {
        "source": {"type": "labelled_text", "path": "pairs.tsv", "text": ["one", "other"]},
        "text": {"tokenizer": "byte", "max_length": 14},
    }
}
GPT = {"type": "transformer", "kind": "decoder", "width": 32, "depth": 2, "heads": 2}
MODELS = {
    "rnn": {"type": "rnn", "cell": "gru", "width": 16, "embedding": 8, "bidirectional": True},
    "transformer": {"type": "transformer", "width": 16, "depth": 2, "heads": 2},
    "gpt": GPT,
    "checkpointing": GPT | {"depth": 1, "checkpointing": True},
    "tied": GPT | {"tie_embeddings": True},
    "encoder_decoder": {"type": "encoder_decoder", "width": 32, "depth": 1, "heads": 2},
}
CASES = {
    "rnn": (LABELLED, "rnn"),
    "encoder": (LABELLED, "transformer"),
    "decoder": (RUNNING, "gpt"),
    "translation": (PARALLEL, "encoder_decoder"),
}


@pytest.fixture
def write(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(kind, rng.choice(words)) for kind, words in WORDS.items() for _ in range(100)]
    table = "".join(f"{kind}\ta {word} film {index % 7}\n" for index, (kind, word) in enumerate(rows))
    book = "".join(f"the {WORDS['good'][index % 3]} film was {index % 10}. " for index in range(300))

    def file(case: str, **train):
        base, name = (CASES | {"pairs": (PAIRS, "transformer")}).get(case, (RUNNING, case))
        model = MODELS[name]
        (tmp_path / "rows.tsv").write_text("label\ttext\n" + table)
        (tmp_path / "book.txt").write_text(book)
        words = [word for _, word in rows]
        (tmp_path / "pairs.tsv").write_text(pairs_of(words))
        for language, known in (("en", {word: word for word in GERMAN}), ("de", GERMAN)):
            lines = "".join(f"{known[word]} {n % 3}\n" for n, word in enumerate(words))
            (tmp_path / f"texts.{language}").write_text(lines)
        settings = {"batch_size": 32, "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}} | train
        return experiment_file(tmp_path, base | {"model": model}, **settings)

    return file


def pairs_of(words: list[str]) -> str:
    """A word and its translation, or that of another."""
    rows = []
    for place, word in enumerate(words):
        is_same = place % 2 == 0
        rows.append(("same" if is_same else "other", word, GERMAN[word] if is_same else "nichts"))
    return "label\tone\tother\n" + "".join("\t".join(row) + "\n" for row in rows)


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


@pytest.mark.parametrize("case", ["rnn", "encoder", "decoder"])
def test_dropped_tokens_are_those_of_one_rank(gangs, write, tmp_path, case):
    plain = gangs(1).train(write(case), tmp_path / "plain")
    path = write(case, augment={"token_dropout": 0.3})
    alone, together = (gangs(num_ranks).train(path, tmp_path / f"{num_ranks}") for num_ranks in (1, 2))
    assert alone[0].metrics["train/loss"] != pytest.approx(plain[0].metrics["train/loss"], rel=1e-3)
    for expected, found in zip(alone, together, strict=True):
        assert found.metrics["train/loss"] == pytest.approx(expected.metrics["train/loss"], rel=5e-4)


@pytest.mark.parametrize("case", ["rnn", "encoder", "decoder"])
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


def test_translations_cut_into_micro_batches_of_two_ranks_train_as_one(gangs, write, tmp_path):
    alone = gangs(1).train(write("translation", gradient_clip=1.0), tmp_path / "alone")
    path = write("translation", gradient_clip=1.0, micro_batch=4, zero={"stage": 3})
    for expected, found in zip(alone, gangs(2).train(path, tmp_path / "cut"), strict=True):
        for name in ("train/loss", "val/loss", "val/accuracy"):
            assert found.metrics[name] == pytest.approx(expected.metrics[name], rel=5e-4)


def test_an_exported_translator_measures_and_translates_as_it_was_trained(gangs, write, tmp_path):
    adam = {"type": "adamw", "lr": 0.01}
    path, out = write("translation", epochs=30, batch_size=16, optimizer=adam), tmp_path / "out"
    best = min(gangs(1).train(path, out), key=lambda report: report.metrics["val/loss"])
    assert best.metrics["val/accuracy"] > 0.95
    exported = open_export(path, out, tmp_path / "export")
    store = Store.open(job_of(path, out).store)
    found = evaluate(
        exported.network, exported.task, store.split("val"), Ranks(), micro_batch=8, dtype=torch.float32
    )
    assert {f"val/{name}": value for name, value in found.items()} == pytest.approx(
        {name: best.metrics[name] for name in ("val/loss", "val/perplexity", "val/accuracy")}, rel=1e-5
    )
    texts = np.array([f"{word} {n % 3}" for n, word in enumerate(GERMAN)], dtype=object)
    assert [row["translation"].split()[0] for row in exported.predict(texts)] == list(GERMAN.values())


def test_pairs_are_told_apart_by_both_texts(gangs, write, tmp_path):
    adam = {"type": "adamw", "lr": 0.01}
    path, out = write("pairs", epochs=10, optimizer=adam), tmp_path / "out"
    best = max(report.metrics["val/accuracy"] for report in gangs(1).train(path, out))
    assert best > 0.9
    exported = open_export(path, out, tmp_path / "export")
    pairs = np.array([("fine", "gut"), ("fine", "nichts"), ("cold", "kalt")], dtype=object)
    assert [row["label"] for row in exported.predict(pairs)] == ["same", "other", "same"]


def open_export(path, out, folder) -> ExportedModel:
    """The kept weights of a training, as `tuner best --export` writes them."""
    job = job_of(path, out)
    manifest = Store.open(job.store).manifest
    folder.mkdir()
    (folder / "weights.pt").write_bytes((TrialPaths(out).best_checkpoint / "weights.pt").read_bytes())
    content = {"spec": job.spec.model_dump(mode="json"), "manifest": json.loads(manifest.to_json())}
    (folder / "model.json").write_text(json.dumps(content))
    return ExportedModel.open(folder)
