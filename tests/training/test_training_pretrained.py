"""Pretrained models through the DeepSpeed loop: the losses of plain transformers, and what stays frozen."""

import json

import numpy as np
import pytest
import torch
from pretrained_models import save_bert, save_gpt2
from training_cases import experiment_file
from training_gang import is_complete, job_of
from training_reference import initial_weights

from tuner.data import Batches, Store, prepare
from tuner.records.paths import TrialPaths
from tuner.results.export import ExportedModel
from tuner.spec import Experiment
from tuner.training.optimizers import schedule_factor

pytestmark = pytest.mark.slow

KINDS = {"good": ["fine", "lovely", "warm"], "bad": ["dull", "cold", "weak"]}
LABELLED = {
    "task": "text_classification",
    "data": {
        "source": {"type": "labelled_text", "path": "rows.tsv"},
        "text": {"tokenizer": {"type": "pretrained", "name": "./bert"}, "max_length": 7},
    },
    "model": {"type": "pretrained", "name": "./bert"},
    "search": {"metric": "val/accuracy"},
}
RUNNING = {
    "task": "language_modelling",
    "data": {
        "source": {"type": "text", "path": "book.txt"},
        "text": {"tokenizer": {"type": "pretrained", "name": "./gpt2"}, "max_length": 16},
    },
    "model": {"type": "pretrained", "name": "./gpt2"},
    "search": {"metric": "val/loss"},
}
BASES = {"bert": LABELLED, "gpt2": RUNNING}
DECAY = {"type": "full", "layer_decay": 0.5}
FROZEN = {"type": "frozen", "layers": 2}
LORA = {"type": "lora", "rank": 2, "alpha": 4.0, "targets": ["query", "value"]}
TUNINGS = {"full": "full", "decay": DECAY, "frozen": FROZEN, "head": "frozen", "lora": LORA}
EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")


@pytest.fixture
def write(tmp_path):
    """An experiment in a folder with its texts and its model."""
    rng = np.random.default_rng(0)
    rows = [(kind, rng.choice(words)) for kind, words in KINDS.items() for _ in range(100)]
    table = "".join(
        f"{kind}\ta {word} film .{' .' * (index % 4)}\n" for index, (kind, word) in enumerate(rows)
    )
    book = "".join(f"the {KINDS['good'][index % 3]} film was {index % 10} . " for index in range(500))
    (tmp_path / "rows.tsv").write_text("label\ttext\n" + table)
    (tmp_path / "book.txt").write_text(book)

    def file(case: str = "bert", tuning="full", **train):
        if not (tmp_path / case).exists():
            {"bert": save_bert, "gpt2": save_gpt2}[case](tmp_path / case)
        settings = {"batch_size": 32, "optimizer": {"type": "adamw", "lr": 0.01}} | train
        return experiment_file(tmp_path, BASES[case], {"tuning": tuning}, **settings)

    return file


def train_with_transformers(path, folder, tuning) -> list[float]:
    """The mean training loss of each epoch, by a loop that knows nothing of our models and optimizers."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    experiment = Experiment.load(path)
    spec = experiment.resolve({})
    train = spec.train
    store = prepare(spec.data, spec.task, folder)
    is_language = spec.task == "language_modelling"
    torch.manual_seed(train.seed)
    auto_class = AutoModelForCausalLM if is_language else AutoModelForSequenceClassification
    network = auto_class.from_pretrained(spec.model.name, dtype=torch.float32, ignore_mismatched_sizes=True)
    lr = train.optimizer.lr
    optimizer = torch.optim.AdamW(own_groups(network, tuning, lr), lr=lr, weight_decay=0.01)
    batches = Batches(
        store.split("train"), batch_size=32, micro_batch=32, rank=0, num_ranks=1, seed=train.seed
    )
    factor = schedule_factor(train.schedule, train.epochs * batches.batches_per_epoch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    network.train()
    losses = []
    for epoch in range(train.epochs):
        total = 0.0
        for [(x, y)] in batches.epoch(epoch):
            x, y = torch.from_numpy(x).long(), torch.from_numpy(y).long()
            logits = network(input_ids=x, attention_mask=None if is_language else (x != 0).long()).logits
            loss = torch.nn.functional.cross_entropy(
                logits[..., : store.manifest.num_tokens].flatten(0, -2), y.flatten()
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        losses.append(total / batches.batches_per_epoch)
    return losses


def own_groups(network, tuning, lr):
    """By the names of BERT's and GPT-2's weights."""
    names = [name for name, _ in network.named_parameters()]

    def depth(name: str) -> int:
        if "embeddings" in name or "wte" in name or "wpe" in name:
            return 0
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        return numbers[0] + 1 if numbers else top

    top = 1 + max(int(part) + 1 for name in names for part in name.split(".") if part.isdigit())
    weights = dict(network.named_parameters())
    if tuning in (FROZEN, "frozen"):
        num_frozen = 2 if tuning == FROZEN else top - 1
        for name in names:
            weights[name].requires_grad_(depth(name) > num_frozen)
        return [weight for weight in weights.values() if weight.requires_grad]
    decay = 0.5 if tuning == DECAY else 1.0
    return [{"params": [weights[name]], "lr": lr * decay ** (top - depth(name))} for name in names]


CASES = [
    *(("bert", "decay", num_ranks, stage) for num_ranks, stage in [(1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]),
    *(("gpt2", "decay", num_ranks, stage) for num_ranks, stage in [(1, 0), (2, 3)]),
    *(("bert", "frozen", 2, stage) for stage in (0, 1, 3)),
    ("bert", "head", 1, 0),
    ("bert", "full", 2, 3),
]


@pytest.mark.parametrize(("case", "tuning", "num_ranks", "stage"), CASES)
def test_the_losses_are_those_of_plain_transformers(gangs, write, tmp_path, case, tuning, num_ranks, stage):
    schedule = {"type": "linear", "warmup": 0.2}
    path = write(case, TUNINGS[tuning], zero={"stage": stage}, gradient_clip=1.0, schedule=schedule)
    expected = train_with_transformers(path, tmp_path / "plain", TUNINGS[tuning])
    reports = gangs(num_ranks).train(path, tmp_path / "out")
    assert is_complete(reports)
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=5e-4)


def test_the_rate_that_is_reported_is_that_of_the_head(gangs, write, tmp_path):
    [report, *_] = gangs(2).train(write("bert", DECAY, zero={"stage": 1}), tmp_path / "out", reports=1)
    assert report.metrics["train/lr"] == 0.01


RESUMED = [
    *(("decay", precision, stage) for precision in ("fp32", "bf16") for stage in (0, 1, 3)),
    *(("frozen", "fp32", 3), ("frozen", "bf16", 2), ("lora", "fp32", 0), ("lora", "fp32", 3)),
    *(("lora", "bf16", 1), ("lora", "bf16", 3)),
]


@pytest.mark.parametrize(("tuning", "precision", "stage"), RESUMED)
def test_resume_is_exact(gangs, write, tmp_path, tuning, precision, stage):
    schedule = {"type": "cosine", "warmup": 0.1}
    path = write("bert", TUNINGS[tuning], zero={"stage": stage}, precision=precision, schedule=schedule)
    gang = gangs(2)
    whole = gang.train(path, tmp_path / "whole")
    first = gang.train(path, tmp_path / "cut", reports=1)
    rest = gang.train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert [[report.metrics[name] for name in EXACT] for report in first + rest] == [
        [report.metrics[name] for name in EXACT] for report in whole
    ]


def test_it_goes_on_with_another_number_of_ranks(gangs, write, tmp_path):
    path = write("bert", DECAY, zero={"stage": 1})
    whole = gangs(1).train(path, tmp_path / "whole")
    gangs(2).train(path, tmp_path / "cut", reports=1)
    rest = gangs(1).train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert [report.metrics["train/loss"] for report in rest] == pytest.approx(
        [report.metrics["train/loss"] for report in whole[1:]], rel=1e-4
    )


@pytest.mark.parametrize("stage", [0, 3])
@pytest.mark.parametrize("tuning", ["frozen", "head", "lora"])
def test_only_what_is_tuned_changes(gangs, write, tmp_path, tuning, stage):
    path, out = write("bert", TUNINGS[tuning], zero={"stage": stage}), tmp_path / "out"
    reports = gangs(2).train(path, out)
    before, after = initial_weights(path), kept(out)
    num_tuned = sum(weight.numel() for name, weight in before.items() if is_tuned(name, tuning))
    assert {report.metrics["model/trained_parameters"] for report in reports} == {num_tuned}
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if is_tuned(name, tuning)}


def is_tuned(name: str, tuning: str) -> bool:
    if "pooler" in name or "classifier" in name:
        return True
    return "lora_" in name if tuning == "lora" else tuning == "frozen" and ".layer.2." in name


def kept(out):
    return torch.load(TrialPaths(out).best_checkpoint / "weights.pt", weights_only=True)


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_its_export_does_as_it_did_without_the_pretrained_model(gangs, write, tmp_path, tuning):
    path, out = write("bert", TUNINGS[tuning], epochs=10), tmp_path / "out"
    reports = gangs(1).train(path, out)
    assert max(report.metrics["val/accuracy"] for report in reports) == 1.0
    exported = open_export(path, out, tmp_path)
    texts = np.array([f"a {word} film ." for words in KINDS.values() for word in words], dtype=object)
    assert [row["label"] for row in exported.predict(texts)] == [
        kind for kind, words in KINDS.items() for _ in words
    ]


def test_an_exported_language_model_goes_on_with_a_text(gangs, write, tmp_path):
    path, out = write("gpt2", DECAY, epochs=5), tmp_path / "out"
    reports = gangs(1).train(path, out)
    assert reports[-1].metrics["val/accuracy"] > 0.6
    exported = open_export(path, out, tmp_path)
    assert exported.continue_text("the fine film", num_tokens=10, temperature=0.1).startswith("was ")


def open_export(path, out, folder) -> ExportedModel:
    """As `tuner best --export` writes it; the model's folder is gone then."""
    from tuner.models import read_config

    job = job_of(path, out)
    manifest = Store.open(job.store).manifest
    export = folder / "export"
    export.mkdir()
    (export / "weights.pt").write_bytes((TrialPaths(out).best_checkpoint / "weights.pt").read_bytes())
    content = {"spec": job.spec.model_dump(mode="json"), "manifest": json.loads(manifest.to_json())}
    (export / "model.json").write_text(json.dumps(content))
    (export / "config.json").write_text(json.dumps(read_config(job.spec.model)))
    for case in BASES:
        if (folder / case).exists():
            (folder / case).rename(folder / f"{case} moved")
    return ExportedModel.open(export)


@pytest.mark.parametrize(("case", "stage"), [("bert", 0), ("gpt2", 3)])
def test_it_can_be_compiled(gangs, write, tmp_path, case, stage):
    path = write(case, compile=True, zero={"stage": stage}, gradient_clip=1.0)
    expected = train_with_transformers(path, tmp_path / "plain", "full")
    reports = gangs(2).train(path, tmp_path / "out")
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=5e-4)
