"""Augmentation: the same for a row in any batch, what it says geometrically, and nothing beyond training."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import DIABETES, DIGITS, OPTIMIZERS, experiment_file
from training_reference import train_plainly

from tuner import models, tasks
from tuner.data import Batches, Split, prepare
from tuner.records.checkpoints import sound_checkpoints
from tuner.records.paths import TrialPaths
from tuner.spec import Experiment
from tuner.spec.sections import AugmentSpec, RecoverySpec
from tuner.tasks.classification import BinaryClassification, SoftmaxClassification
from tuner.training.augment import Augmentation
from tuner.training.augment.draws import PARAMETERS, VALUES, WINDOWS, Places
from tuner.training.augment.images import recolour, warp
from tuner.training.augment.parameters import Parameters

NUM_ROWS = 41
EACH = {
    "rotate": 30.0,
    "scale": 0.3,
    "translate": 0.2,
    "flip": 0.5,
    "brightness": 0.3,
    "contrast": 0.3,
    "noise": 0.2,
    "crop": 0.3,
    "cutout": 0.4,
    "time_mask": 0.5,
    "frequency_mask": 0.5,
    "mixup": 0.3,
}
COLOURS = {"saturation": 0.5, "hue": 40.0}
"""Of RGB images alone."""
SHAPES = [(1, 9, 8), (3, 8, 8)]


def augmentation(
    seed: int = 0, num_outputs: int = 4, padding: int | None = None, blank: int = 0, **fields
) -> Augmentation:
    return Augmentation(AugmentSpec(**fields), seed, num_outputs, padding, blank)


def rows(shape=(1, 9, 8), count: int = NUM_ROWS) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32))


def changed(x: torch.Tensor, *, epoch: int = 0, place: int = 0, **fields) -> torch.Tensor:
    y = torch.arange(len(x)) % 4
    return augmentation(**fields)(x, y, epoch=epoch, place=place)[0]


# --- the same row comes out the same ------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 8, 9, 31])
@pytest.mark.parametrize("stream", [PARAMETERS, VALUES, WINDOWS])
def test_draws_belong_to_their_places(stream, width):
    whole = Places(3, 5, 0, 20).uniform(stream, width)
    parts = [Places(3, 5, first, count).uniform(stream, width) for first, count in [(0, 7), (7, 1), (8, 12)]]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole)) == whole.size


def test_other_seeds_epochs_and_streams_draw_others():
    draws = [
        Places(*key, 0, 4).uniform(stream, 8).ravel().tolist()
        for key in [(0, 0), (0, 1), (1, 0)]
        for stream in (PARAMETERS, VALUES, WINDOWS)
    ]
    assert len({number for numbers in draws for number in numbers}) == 9 * 32


def test_noise_is_gaussian():
    x = torch.zeros(200, 3, 7, 5)
    noise = changed(x, noise=2.0).numpy()
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(2, rel=0.02)
    assert np.mean(np.abs(noise) < 2) == pytest.approx(0.6827, abs=0.01)
    np.testing.assert_array_equal(changed(x[:3], place=50, noise=2.0).numpy(), noise[50:53])


def test_noise_leaves_the_zeros_behind_a_recording():
    waves = rows((30,))
    waves[:, 20:] = 0
    noisy, _ = Augmentation(AugmentSpec(noise=0.5), 0, 4, None, are_waves=True)(
        waves, torch.zeros(len(waves)), epoch=0, place=0
    )
    assert torch.equal(noisy[:, :20], changed(waves, noise=0.5)[:, :20])
    assert not noisy[:, 20:].any()


def global_batches(split: Split, augment: Augmentation, num_ranks: int, micro_batch: int, start: int = 0):
    """Of epoch 2, inputs and targets of each global batch in the order of their places."""
    ranks = [
        Batches(
            split,
            batch_size=8,
            micro_batch=micro_batch,
            rank=rank,
            num_ranks=num_ranks,
            seed=0,
            num_following=augment.num_following,
        )
        for rank in range(num_ranks)
    ]
    found = []
    for batch, parts in enumerate(zip(*(each.epoch(2, start) for each in ranks), strict=True), start):
        pieces = {}
        for each, micro_batches in zip(ranks, parts, strict=True):
            for place, (x, y) in zip(each.places(batch).tolist(), micro_batches, strict=True):
                tensors = torch.from_numpy(x), torch.from_numpy(y)
                pieces[place] = augment(*tensors, epoch=2, place=place)
        in_order = [pieces[place] for place in sorted(pieces)]
        found.append([torch.cat(part) for part in zip(*in_order, strict=True)])
    return found


@pytest.mark.parametrize("shape", [*SHAPES, (1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize(("num_ranks", "micro_batch"), [(1, 2), (1, 1), (2, 4), (2, 1), (4, 2), (8, 1)])
def test_a_row_is_changed_alike_by_any_number_of_ranks(num_ranks, micro_batch, shape):
    split = Split(rows(shape).numpy(), np.arange(NUM_ROWS) % 4)
    augment = augmentation(**EACH, **(COLOURS if shape[0] == 3 else {}))
    whole = global_batches(split, augment, 1, 8)
    assert len(whole) == NUM_ROWS // 8
    for expected, found in zip(whole, global_batches(split, augment, num_ranks, micro_batch), strict=True):
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])
    rest = global_batches(split, augment, num_ranks, micro_batch, start=3)
    for expected, found in zip(whole[3:], rest, strict=True):
        assert torch.equal(found[0], expected[0])


def test_epochs_and_seeds_differ():
    results = [changed(rows(), rotate=30.0, **key) for key in ({}, {"epoch": 1}, {"seed": 1}, {"place": 1})]
    for index, result in enumerate(results):
        assert not any(torch.equal(result, other) for other in results[:index])


# --- nothing where it is off --------------------------------------------------------------------------------


def test_without_strength_rows_keep_their_bytes():
    assert not augmentation().is_on
    assert torch.equal(changed(rows()), rows())


@pytest.mark.parametrize("name", sorted(EACH))
def test_each_does_something(name):
    alone = changed(rows(), **{name: EACH[name]})
    assert not torch.equal(alone, rows()[: len(alone)])
    assert augmentation(**{name: EACH[name]}).is_on


@pytest.mark.parametrize("name", sorted(COLOURS))
def test_each_does_something_to_colours(name):
    x = rows((3, 8, 8))
    alone = changed(x, **{name: COLOURS[name]})
    assert not torch.allclose(alone, x, atol=0.1)
    assert torch.allclose(alone.mean(dim=1), x.mean(dim=1), atol=1e-5)
    weak = changed(x, **{name: 1e-6}, **EACH | {"mixup": 0.0})
    assert torch.allclose(weak, changed(x, **EACH | {"mixup": 0.0}), atol=1e-3)


@pytest.mark.parametrize("name", sorted(EACH.keys() - {"flip", "mixup"}))
def test_each_leaves_the_draws_of_the_others_alone(name):
    assert torch.allclose(changed(rows(), **{name: 1e-6}, flip=0.5), changed(rows(), flip=0.5), atol=1e-3)


# --- geometry -----------------------------------------------------------------------------------------------


def warped(x: torch.Tensor, angle=0.0, scale=1.0, down=0.0, right=0.0) -> torch.Tensor:
    """All rows alike."""
    fields = {"angle": angle, "scale": scale, "down": down, "right": right}
    numbers = {name: np.full(len(x), value, np.float32) for name, value in fields.items()}
    return warp(x, replace(Parameters.draw(AugmentSpec(), Places(0, 0, 0, len(x))), **numbers))


@pytest.mark.parametrize("quarters", [-1, 1, 2])
def test_a_quarter_turn_is_rot90(quarters):
    (turned,) = warped(rows((2, 6, 6), 1), angle=quarters * np.pi / 2)
    assert torch.allclose(turned, torch.rot90(rows((2, 6, 6), 1)[0], quarters, (1, 2)), atol=1e-5)


def test_a_move_by_whole_pixels_repeats_the_edge():
    x = rows((1, 10, 5), 1)
    moved = warped(x, down=0.2, right=-0.2)
    assert torch.allclose(moved[:, :, 2:, :-1], x[:, :, :-2, 1:], atol=1e-5)
    assert torch.allclose(moved[:, :, 0, :-1], x[:, :, 0, 1:], atol=1e-5)
    assert torch.allclose(moved[:, :, 2:, -1], x[:, :, :-2, -1], atol=1e-5)


def test_twice_as_large_shows_the_middle():
    square = torch.zeros(1, 1, 8, 8)
    square[:, :, 2:6, 2:6] = 1
    assert warped(square, scale=2.0)[0, 0, 1:7, 1:7].eq(1).all()
    assert warped(square, scale=2.0).sum() == pytest.approx(4 * square.sum().item(), rel=0.2)
    assert warped(square, scale=0.5).sum() == pytest.approx(square.sum().item() / 4, rel=0.05)


def test_a_turn_keeps_its_shape_where_sides_differ():
    """What is round stays as it is when an oblong image is turned about its centre."""
    down, right = np.mgrid[:31, :51] - np.array([15, 25])[:, None, None]
    bell = torch.from_numpy(np.exp(-(down**2 + right**2) / 32).astype(np.float32))[None, None]
    assert (warped(bell, angle=0.7) - bell).abs().max() < 0.03
    assert (warped(bell, angle=0.7, right=0.2) - bell).abs().max() > 0.3


def test_turns_are_even_over_both_ways():
    degrees = np.degrees(Parameters.draw(AugmentSpec(rotate=90.0), Places(0, 0, 0, 4000)).angle)
    assert np.abs(degrees).max() <= 90
    assert degrees.mean() == pytest.approx(0, abs=2)
    assert np.abs(degrees).mean() == pytest.approx(45, abs=1)


def test_flips_are_exact():
    x = rows()
    found = changed(x, flip=0.3)
    flipped = [index for index in range(NUM_ROWS) if torch.equal(found[index], x[index].flip(2))]
    same = [index for index in range(NUM_ROWS) if torch.equal(found[index], x[index])]
    assert sorted(flipped + same) == list(range(NUM_ROWS))
    assert 5 <= len(flipped) <= 20
    assert torch.equal(changed(x, flip=1.0), x.flip(3))


def test_a_crop_is_a_window_made_as_large_as_the_image():
    """Each pixel holds its own place, so that a row tells which part of it is shown."""
    down, right = np.mgrid[:40, :60].astype(np.float32)
    found = changed(torch.from_numpy(np.stack([down, right]))[None].repeat(2000, 1, 1, 1), crop=0.5).numpy()
    ends = []
    for values, size in ((found[:, 0, :, 0], 40), (found[:, 1, 0, :], 60)):
        steps = np.median(np.diff(values), axis=1)  # at an edge of the image half a pixel repeats
        assert (steps.min() >= 0.499, steps.max() <= 1.001) == (True, True)
        assert steps.mean() == pytest.approx(0.75, abs=0.01)
        middles = values[:, size // 2 - 1 : size // 2 + 1].mean(axis=1)
        first, last = (middles + way * (size - 1) / 2 * steps for way in (-1, 1))
        assert (first.min() > -0.51, last.max() < size - 0.49) == (True, True)
        share = (first - 0.5 * steps + 0.5) / (size * (1 - steps) + 1e-3)
        assert share.mean() == pytest.approx(0.5, abs=0.03)
        ends.append(steps)
    assert abs(np.corrcoef(ends)[0, 1]) < 0.1, "height and width are drawn apart"


def recoloured(x: torch.Tensor, moments=None, saturation=1.0, hue=0.0) -> torch.Tensor:
    """All rows alike."""
    fields = {"saturation": saturation, "hue": np.radians(hue)}
    numbers = {name: np.full(len(x), value, np.float32) for name, value in fields.items()}
    parameters = replace(Parameters.draw(AugmentSpec(), Places(0, 0, 0, len(x))), **numbers)
    return recolour(x, parameters, moments)


def test_colours_turn_from_red_over_green_to_blue():
    x = rows((3, 8, 8))
    red, green, blue = x.unbind(1)
    third = recoloured(x, hue=120)
    assert torch.allclose(third, torch.stack([blue, red, green], dim=1), atol=1e-5)
    assert torch.allclose(recoloured(third, hue=-120), x, atol=1e-5)
    assert torch.allclose(recoloured(recoloured(x, hue=25), hue=95), third, atol=1e-5)


def test_saturation_leads_to_grey_and_from_it():
    x = rows((3, 8, 8))
    grey = x.mean(dim=1, keepdim=True).expand_as(x)
    assert torch.allclose(recoloured(x, saturation=0.0), grey, atol=1e-6)
    assert torch.allclose(recoloured(x, saturation=1.5), grey + 1.5 * (x - grey), atol=1e-5)
    assert torch.allclose(recoloured(grey, saturation=1.5, hue=70), grey, atol=1e-6)


def test_grey_is_that_of_the_pixels_before_they_were_standardised():
    moments = ((120.0, 90.0, 60.0), (50.0, 60.0, 70.0))
    mean, std = (torch.tensor(values)[None, :, None, None] for values in moments)
    pixels = 128 + 50 * rows((3, 8, 8))
    found = recoloured((pixels - mean) / std, moments, saturation=0.7, hue=50)
    assert torch.allclose(found * std + mean, recoloured(pixels, saturation=0.7, hue=50), atol=1e-3)
    x, y = (pixels - mean) / std, torch.zeros(NUM_ROWS)
    whole = Augmentation(AugmentSpec(hue=90.0), 0, 4, None, moments=moments)(x, y, epoch=0, place=0)[0]
    plain = Augmentation(AugmentSpec(hue=90.0), 0, 4, None)(pixels, y, epoch=0, place=0)[0]
    assert torch.allclose(whole * std + mean, plain, atol=1e-3)
    assert not torch.allclose(plain, pixels, atol=5)


def test_colour_multiplies_and_adds():
    x = rows((3, 4, 4), 500)
    found = changed(x, contrast=0.5, brightness=0.25)
    factors = (found[:, 0, 0, 0] - found[:, 0, 0, 1]) / (x[:, 0, 0, 0] - x[:, 0, 0, 1])
    added = found[:, 1, 2, 3] - factors * x[:, 1, 2, 3]
    assert (factors.min() >= 0.49, factors.max() <= 1.51) == (True, True)
    assert factors.std().item() == pytest.approx(1 / np.sqrt(12), rel=0.1)
    assert added.abs().max() <= 0.26
    assert torch.allclose(factors[:, None, None, None] * x + added[:, None, None, None], found, atol=1e-3)


@pytest.mark.parametrize(("share", "area"), [(0.5, 4 * 5), (0.3, 2 * 3), (0.01, 0)])
def test_cutout_has_its_area_and_is_inside(share, area):
    zeros = changed(torch.ones(300, 2, 8, 10), cutout=share) == 0
    assert torch.equal(zeros[:, 0], zeros[:, 1])
    assert zeros[:, 0].flatten(1).sum(dim=1).tolist() == [area] * 300
    if area:
        assert zeros[:, 0].any(dim=0).all(), "each pixel is cut out somewhere"


@pytest.mark.parametrize(("name", "axis"), [("time_mask", 3), ("frequency_mask", 2)])
def test_spectrograms_are_masked_along_one_axis(name, axis):
    zeros = changed(torch.ones(400, 1, 20, 30), **{name: 0.4}) == 0
    lines = zeros.any(dim=5 - axis).flatten(1)
    size = (0, 0, 20, 30)[axis]
    assert zeros.sum() == lines.sum() * (600 // size), "whole lines only"
    lengths = lines.sum(dim=1)
    assert (lengths.min(), lengths.max()) == (0, round(0.4 * size))
    assert lines.any(dim=0).all()


# --- mixup --------------------------------------------------------------------------------------------------


def test_mixtures_lie_between_a_row_and_the_next():
    x, classes = rows(), torch.arange(NUM_ROWS) % 4
    mixed, targets = augmentation(mixup=0.4)(x, classes, epoch=0, place=0)
    assert len(mixed) == len(targets) == NUM_ROWS - 1
    assert torch.allclose(targets.sum(dim=1), torch.ones(NUM_ROWS - 1))
    share = targets[torch.arange(NUM_ROWS - 1), classes[:-1]][:, None, None, None]
    assert torch.allclose(mixed, share * x[:-1] + (1 - share) * x[1:], atol=1e-6)
    assert torch.equal(targets.gt(0).sum(dim=1) <= 2, torch.ones(NUM_ROWS - 1, dtype=torch.bool))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_have_the_moments_of_beta(alpha):
    _, targets = augmentation(mixup=alpha)(torch.zeros(5001, 3), torch.arange(5001.0), epoch=0, place=0)
    shares = torch.arange(5000.0) + 1 - targets
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_a_mixed_loss_is_the_mixture_of_losses():
    torch.manual_seed(0)
    classes, outputs = torch.tensor([0, 2, 1]), torch.randn(2, 3)
    task = SoftmaxClassification(("a", "b", "c"), label_smoothing=0.1)
    _, targets = augmentation(mixup=1.0, num_outputs=3)(torch.zeros(3, 2), classes, epoch=0, place=0)
    own = targets[[0, 1], classes[:2]]
    losses = [
        torch.stack([task.loss(o[None], c[None]) for o, c in zip(outputs, part, strict=True)])
        for part in (classes[:2], classes[1:])
    ]
    expected = (own * losses[0] + (1 - own) * losses[1]).mean()
    assert task.loss(outputs, targets).item() == pytest.approx(expected.item(), rel=1e-5)
    binary = BinaryClassification(("a", "b"))
    _, targets = augmentation(mixup=1.0, num_outputs=1)(
        torch.zeros(2, 2), torch.tensor([0.0, 1.0]), epoch=0, place=0
    )
    assert 0 < targets.item() < 1
    assert binary.loss(torch.zeros(1, 1), targets).item() == pytest.approx(np.log(2))


# --- tokens -------------------------------------------------------------------------------------------------


def test_rows_close_up_over_tokens_that_are_left_out():
    tokens = torch.arange(1, 41).repeat(500, 1)
    tokens[:, 30:] = 0
    found = changed(tokens, token_dropout=0.25, padding=0)
    lengths = (found > 0).sum(dim=1)
    for row, length in zip(found, lengths, strict=True):
        assert row[length:].eq(0).all()
        assert row[:length].diff().gt(0).all(), "those that stay keep their order"
        assert row[0] == 1
    assert lengths.float().mean().item() == pytest.approx(1 + 29 * 0.75, rel=0.03)
    assert torch.equal(found[7:9], changed(tokens[:2], place=7, token_dropout=0.25, padding=0))


def test_of_running_text_tokens_are_hidden_in_place():
    tokens = torch.arange(1, 41).repeat(200, 1)
    for blank in (0, 99):
        found = changed(tokens, token_dropout=0.25, blank=blank)
        assert torch.equal(found[found != blank], tokens[found != blank])
        assert found.eq(blank).float().mean().item() == pytest.approx(0.25, abs=0.02)


# --- training -----------------------------------------------------------------------------------------------

EXACT = ("train/loss", "train/grad_norm", "train/lr", "val/loss", "val/accuracy")
TRAIN = {"epochs": 4, "batch_size": 64, "optimizer": OPTIMIZERS["adam"], "augment": EACH}
ALWAYS = RecoverySpec(checkpoint_seconds=1e-9, keep_last=100)


def exact(reports) -> list[dict]:
    return [{name: report.metrics[name] for name in EXACT} for report in reports]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "precision", "num_ranks"), [(0, "fp32", 1), (1, "bf16", 2), (3, "fp32", 2)]
)
def test_going_on_is_exact(gangs, tmp_path, stage, precision, num_ranks):
    gang, model = gangs(num_ranks), {"dropout": 0.3, "normalisation": "batch"}
    path = experiment_file(
        tmp_path, model=model, zero={"stage": stage}, precision=precision, micro_batch=16, **TRAIN
    )
    whole = gang.train(path, tmp_path / "whole", recovery=ALWAYS)
    first = gang.train(path, tmp_path / "cut", reports=2)
    rest = gang.train(path, tmp_path / "cut", resume=tmp_path / "cut")
    assert exact(first + rest) == exact(whole)
    inside = [one for one in sound_checkpoints(TrialPaths(tmp_path / "whole")) if one.position["batch"] > 0]
    trial = TrialPaths(tmp_path / "inside")
    shutil.copytree(inside[-1].folder, trial.checkpoints / inside[-1].folder.name)
    assert exact(gang.train(path, trial.root, resume=trial.root)) == exact(whole[inside[-1].num_reports :])


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"micro_batch": 8}, {"micro_batch": 16}])
def test_losses_are_those_of_one_rank(gangs, tmp_path, changes):
    train = TRAIN | {"optimizer": OPTIMIZERS["sgd"]}
    alone = gangs(1).train(experiment_file(tmp_path / "1", **train), tmp_path / "alone")
    together = gangs(2).train(experiment_file(tmp_path / "2", **train, **changes), tmp_path / "together")
    for expected, found in zip(alone, together, strict=True):
        for name in ("train/loss", "train/grad_norm", "val/loss"):
            assert found.metrics[name] == pytest.approx(expected.metrics[name], rel=2e-4)


@pytest.mark.slow
def test_validation_rows_stay_as_they_are(gangs, tmp_path):
    """Hardly a step is taken, so only what is measured differs."""
    still = {"epochs": 1, "batch_size": 64, "optimizer": {"type": "sgd", "lr": 1e-12}}
    (plain,), (loud,) = (
        gangs(1).train(experiment_file(tmp_path / name, **still, augment=augment), tmp_path / name)
        for name, augment in {"plain": {}, "loud": {"noise": 30.0, "rotate": 180.0}}.items()
    )
    assert loud.metrics["val/loss"] == plain.metrics["val/loss"]
    assert loud.metrics["train/loss"] > 2 * plain.metrics["train/loss"]


@pytest.mark.slow
def test_colours_change_in_the_unit_of_the_pixels(gangs, tmp_path):
    """Hardly a step is taken, so each batch has the loss of the first weights."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 100, (60, 3, 8, 8)) * np.array([1.0, 0.5, 0.2])[:, None, None] + 50
    np.savez(tmp_path / "rows.npz", x=pixels.astype(np.uint8), y=np.arange(60) % 3)
    base = DIGITS | {"data": {"source": {"type": "npz", "path": "rows.npz"}}}
    train = {"epochs": 1, "batch_size": 8, "optimizer": {"type": "sgd", "lr": 1e-12}, "augment": COLOURS}
    path = experiment_file(tmp_path, base, **train)
    (report,) = gangs(1).train(path, tmp_path / "out")

    spec = Experiment.load(path).resolve({})
    store = prepare(spec.data, spec.task, tmp_path / "store")
    task = tasks.get(spec.task, spec.train, store.manifest)
    torch.manual_seed(spec.train.seed)
    model = models.build(spec.model, models.DataShape.of(store.manifest), task.num_outputs)
    split, seed = store.split("train"), spec.train.seed
    batches = Batches(split, batch_size=8, micro_batch=8, rank=0, num_ranks=1, seed=seed)

    def loss(moments):
        augment = Augmentation(spec.train.augment, seed, task.num_outputs, None, moments=moments)
        losses = []
        for index, [(x, y)] in enumerate(batches.epoch(0)):
            inputs, targets = task.batch(x, y, torch.device("cpu"), torch.float32)
            inputs, targets = augment(inputs, targets, epoch=0, place=8 * index)
            losses.append(task.loss(model(inputs), targets).item())
        return np.mean(losses)

    assert report.metrics["train/loss"] == pytest.approx(
        loss((store.manifest.mean, store.manifest.std)), rel=1e-5
    )
    assert report.metrics["train/loss"] != pytest.approx(loss(None), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("base", [DIGITS, DIABETES], ids=["images", "table"])
def test_without_strength_losses_are_those_of_plain_torch(gangs, tmp_path, base):
    train = {"optimizer": OPTIMIZERS["sgd"], "augment": dict.fromkeys(EACH, 0.0)}
    path = experiment_file(tmp_path, base, **train)
    reports = gangs(1).train(path, tmp_path / "out")
    expected = train_plainly(Experiment.load(path), tmp_path / "store")
    assert [report.metrics["train/loss"] for report in reports] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_a_number_is_learned_from_mixtures(gangs, tmp_path):
    train = {"epochs": 20, "batch_size": 32, "augment": {"mixup": 0.5, "noise": 0.1}}
    reports = gangs(2).train(experiment_file(tmp_path, DIABETES, **train), tmp_path / "out")
    assert reports[-1].metrics["val/r2"] > 0.3
