"""Every model with every choice builds, trains, and is decided by torch's seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from tuner import models
from tuner.errors import ExperimentError
from tuner.spec.sections import ModelSpec

ACTIVATIONS = ("relu", "gelu", "tanh", "silu", "leaky_relu")
NUM_TOKENS, LENGTH, PADDING = 11, 7, 0
IMAGES = models.DataShape(input_shape=(1, 8, 8))
LARGE_IMAGES = models.DataShape(input_shape=(1, 32, 32))
TOKENS = models.DataShape(input_shape=(LENGTH,), num_tokens=NUM_TOKENS, padding=PADDING)
STEPS = models.DataShape(input_shape=(LENGTH, 5))
FULL_TOKENS = models.DataShape(input_shape=(LENGTH,), num_tokens=NUM_TOKENS)
RESNET = {"type": "resnet", "depth": 10, "channels": 8}
RNN = {"type": "rnn", "width": 24, "embedding": 16}
ENCODER = {"type": "transformer", "width": 32}
DECODER = ENCODER | {"kind": "decoder"}

OF_IMAGES: list[dict[str, Any]] = [
    *({"type": "mlp", "activation": name} for name in ACTIVATIONS),
    *({"type": "cnn", "activation": name} for name in ACTIVATIONS),
    *({"type": "mlp", "normalisation": name} for name in ("none", "batch", "layer")),
    *({"type": "cnn", "normalisation": name} for name in ("none", "batch", "group")),
    *({"type": "mlp", "depth": depth, "width": 12} for depth in (1, 4)),
    *({"type": "cnn", "depth": depth, "channels": 12} for depth in (1, 3, 4)),
    {"type": "cnn", "kernel_size": 5},
    *(RESNET | {"depth": depth, "checkpointing": depth == 50} for depth in (10, 18, 34, 50)),
    *(RESNET | {"normalisation": name} for name in ("batch", "group")),
    RESNET | {"stem": "large"},
]
OF_TOKENS: list[dict[str, Any]] = [
    *(RNN | {"cell": name} for name in ("rnn", "lstm", "gru")),
    *(RNN | {"pooling": name, "bidirectional": True, "depth": 2} for name in ("mean", "last", "max")),
    *(ENCODER | {"activation": name} for name in ACTIVATIONS),
    *(ENCODER | {"positions": name} for name in ("learned", "rotary", "sinusoidal")),
    *(DECODER | {"positions": name} for name in ("learned", "rotary", "sinusoidal")),
    ENCODER | {"heads": 1, "depth": 3, "feedforward": 2, "checkpointing": True},
]
CAUSAL: list[dict[str, Any]] = [
    *(RNN | {"cell": name, "depth": 2} for name in ("rnn", "lstm", "gru")),
    *(DECODER | {"positions": name} for name in ("learned", "rotary", "sinusoidal")),
    DECODER | {"tie_embeddings": True},
]
ONE_OF_EACH = [{"type": "mlp"}, {"type": "cnn"}, RESNET, RNN, ENCODER, DECODER]
RECOMPUTING_ONES = [fields | {"checkpointing": True} for fields in (RESNET, ENCODER)]
RECOMPUTING = [RESNET, RESNET | {"depth": 50, "channels": 4}, ENCODER, DECODER]


def build(
    fields: dict[str, Any],
    data: models.DataShape | None = None,
    num_outputs: int = 3,
    *,
    per_token: bool = False,
) -> torch.nn.Module:
    torch.manual_seed(0)
    spec: ModelSpec = TypeAdapter(ModelSpec).validate_python(fields)
    return models.build(spec, data or shape_for(fields), num_outputs, per_token=per_token)


def shape_for(fields: dict[str, Any]) -> models.DataShape:
    if fields["type"] in ("rnn", "transformer"):
        return TOKENS
    return LARGE_IMAGES if fields.get("stem") == "large" else IMAGES


def rows_for(fields: dict[str, Any], num_rows: int = 16) -> torch.Tensor:
    """Images of noise, or random tokens with 0 to `LENGTH` - 1 padding tokens at the end of a row."""
    torch.manual_seed(1)
    if shape_for(fields) is not TOKENS:
        return torch.randn(num_rows, *shape_for(fields).input_shape)
    tokens = torch.randint(1, NUM_TOKENS, (num_rows, LENGTH))
    lengths = torch.arange(num_rows) % LENGTH + 1
    return tokens.masked_fill(torch.arange(LENGTH) >= lengths[:, None], PADDING)


def backward(loss: torch.Tensor) -> None:
    loss.backward()


def losses_of(
    model: torch.nn.Module, x: torch.Tensor, targets: torch.Tensor, lr: float = 0.01, num_steps: int = 60
) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(num_steps):
        outputs = model(x)
        loss = torch.nn.functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())
        losses.append(loss.item())
        optimizer.zero_grad()
        backward(loss)
        optimizer.step()
    return losses


@pytest.mark.parametrize("fields", OF_IMAGES + OF_TOKENS, ids=str)
def test_a_batch_is_learned_by_heart(fields: dict[str, Any]) -> None:
    model, x = build(fields), rows_for(fields)
    assert model(x).shape == (16, 3)
    losses = losses_of(model, x, torch.arange(16) % 3)
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("fields", CAUSAL, ids=str)
def test_a_batch_is_learned_by_heart_token_by_token(fields: dict[str, Any]) -> None:
    """Each token names the next one: of a text of which every token tells what follows it."""
    model = build(fields, FULL_TOKENS, NUM_TOKENS, per_token=True)
    text = (torch.arange(LENGTH + 1) + torch.arange(8)[:, None]) % NUM_TOKENS
    x, targets = text[:, :-1], text[:, 1:]
    assert model(x).shape == (8, LENGTH, NUM_TOKENS)
    assert losses_of(model, x, targets)[-1] < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("fields", OF_IMAGES + OF_TOKENS, ids=str)
def test_precisions(fields: dict[str, Any], dtype: torch.dtype) -> None:
    """With weights of that type and buffers of float32, as DeepSpeed has them."""
    model, x = build(fields), rows_for(fields)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    outputs = model(x.to(dtype) if x.is_floating_point() else x)
    assert outputs.dtype == dtype
    backward(torch.nn.functional.cross_entropy(outputs.float(), torch.arange(16) % 3))
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("fields", ONE_OF_EACH, ids=str)
def test_same_seed_same_weights(fields: dict[str, Any]) -> None:
    first, second = (build(fields).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("fields", ONE_OF_EACH, ids=str)
def test_dropout_acts_in_training_only(fields: dict[str, Any]) -> None:
    model, x = build(fields | {"dropout": 0.5}), rows_for(fields, 4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("fields", ONE_OF_EACH, ids=str)
def test_no_rows_give_no_outputs(fields: dict[str, Any]) -> None:
    assert build(fields).eval()(rows_for(fields, 0)).shape == (0, 3)


CNNS = [{"type": "cnn", "depth": depth, "channels": 4} for depth in (1, 3)]


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        *((fields, shape) for fields in CNNS for shape in [(1, 1, 1), (3, 5, 9), (1, 28, 28), (3, 64, 48)]),
        *((RESNET, shape) for shape in [(1, 8, 8), (3, 9, 64), (1, 28, 28)]),
        *((RESNET | {"stem": "large"}, shape) for shape in [(1, 32, 32), (3, 64, 48)]),
    ],
    ids=str,
)
def test_any_image(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    model = build(fields, models.DataShape(input_shape=shape)).eval()
    assert model(torch.randn(2, *shape)).shape == (2, 3)


@pytest.mark.parametrize(("depth", "num_parameters"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_resnet_has_the_usual_size(depth: int, num_parameters: int) -> None:
    """The sizes of the networks of the paper for ImageNet, as torchvision documents them."""
    with torch.device("meta"):
        model = build(
            {"type": "resnet", "depth": depth, "stem": "large"},
            models.DataShape(input_shape=(3, 224, 224)),
            num_outputs=1000,
        )
    assert sum(parameter.numel() for parameter in model.parameters()) == num_parameters


def test_a_residual_block_begins_as_its_shortcut() -> None:
    """Without its residual branches, whose weights are other ones then, the network gives the same."""
    model, x = build(RESNET).eval(), rows_for(RESNET)
    before = model(x)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".residual.0." in name:
                parameter.mul_(3)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("fields", OF_TOKENS, ids=str)
def test_padding_has_no_influence(fields: dict[str, Any]) -> None:
    """A row alone, cut where its padding begins, gives what it gives among others."""
    model, x = build(fields).eval(), rows_for(fields)
    outputs = model(x)
    for row, output in zip(x, outputs, strict=True):
        tokens = row[row != PADDING]
        assert torch.allclose(model(tokens[None])[0], output, atol=1e-5)


@pytest.mark.parametrize("fields", [RNN, RNN | {"pooling": "last"}, ENCODER, DECODER], ids=str)
def test_steps_of_numbers_are_learned_by_heart(fields: dict[str, Any]) -> None:
    model = build(fields, STEPS)
    x = torch.randn(16, *STEPS.input_shape)
    losses = losses_of(model, x, torch.arange(16) % 3, num_steps=150)
    assert losses[-1] < 0.2 * losses[0]
    assert model.eval()(x[:0]).shape == (0, 3)
    assert build(fields, STEPS, per_token=True)(x).shape == (16, LENGTH, 3)


@pytest.mark.parametrize("fields", [RNN, ENCODER, DECODER], ids=str)
def test_the_columns_of_a_picture_are_steps(fields: dict[str, Any]) -> None:
    pictures = torch.randn(16, 2, 5, LENGTH)
    steps = torch.cat([pictures[:, 0], pictures[:, 1]], dim=1).transpose(1, 2)
    model = build(fields, models.DataShape(input_shape=(2, 5, LENGTH)))
    of_steps = build(fields, models.DataShape(input_shape=(LENGTH, 10)))
    of_steps.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(pictures), of_steps.eval()(steps))
    assert losses_of(model.train(), pictures, torch.arange(16) % 3)[-1] < 0.5
    assert model(pictures[:0]).shape == (0, 3)


def test_a_row_of_nothing_but_padding_is_finite() -> None:
    for fields in (RNN, RNN | {"pooling": "max"}, ENCODER, DECODER):
        assert build(fields)(torch.full((2, LENGTH), PADDING)).isfinite().all()


@pytest.mark.parametrize("data", [TOKENS, FULL_TOKENS], ids=["padding", "full"])
@pytest.mark.parametrize("fields", CAUSAL, ids=str)
def test_a_later_token_changes_no_earlier_output(fields: dict[str, Any], data: models.DataShape) -> None:
    model = build(fields, data, NUM_TOKENS, per_token=True).eval()
    x = torch.randint(1, NUM_TOKENS, (4, LENGTH))
    outputs = model(x)
    for place in range(LENGTH):
        changed = x.clone()
        changed[:, place] = changed[:, place] % (NUM_TOKENS - 1) + 1
        differs = (model(changed) - outputs).abs().amax(dim=(0, 2)) > 1e-6
        assert not differs[:place].any()
        assert differs[place:].all()


def test_an_encoder_sees_later_tokens() -> None:
    model = build(ENCODER, FULL_TOKENS, per_token=True).eval()
    x = torch.randint(1, NUM_TOKENS, (4, LENGTH))
    changed = x.clone()
    changed[:, -1] = changed[:, -1] % (NUM_TOKENS - 1) + 1
    assert (model(changed) - model(x))[:, 0].abs().max() > 1e-6


@pytest.mark.parametrize("positions", ["learned", "rotary", "sinusoidal"])
def test_the_order_of_tokens_counts(positions: str) -> None:
    model = build(ENCODER | {"positions": positions}, FULL_TOKENS).eval()
    x = torch.arange(1, LENGTH + 1)[None]
    assert not torch.allclose(model(x), model(x.flip(1)), atol=1e-6)


def test_tied_embeddings_are_one_weight() -> None:
    tied, own = (
        build(DECODER | {"tie_embeddings": is_tied}, TOKENS, NUM_TOKENS, per_token=True)
        for is_tied in (True, False)
    )
    num_tied, num_own = (sum(p.numel() for p in model.parameters()) for model in (tied, own))
    assert num_own - num_tied == 32 * NUM_TOKENS + NUM_TOKENS


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("fields", RECOMPUTING, ids=str)
def test_checkpointing_changes_nothing(fields: dict[str, Any], dropout: float) -> None:
    """The same outputs, gradients and running statistics, whether activations are kept or not."""
    kept, again = (
        build(fields | {"dropout": dropout, "checkpointing": recompute}) for recompute in (False, True)
    )
    x = rows_for(fields)
    for model in (kept, again):
        torch.manual_seed(2)
        backward(model(x).square().sum())
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(kept.buffers(), again.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("fields", [*ONE_OF_EACH, *RECOMPUTING_ONES], ids=str)
def test_a_compiled_model_gives_the_same(fields: dict[str, Any]) -> None:
    """Traced by torch.compile, without the slow step to machine code; recurrent layers stay as they are."""
    torch.compiler.reset()
    counts = torch._dynamo.utils.counters
    counts.clear()
    eager, compiled = build(fields), build(fields)
    compiled.compile(backend="aot_eager")
    x = rows_for(fields)
    for model in (eager, compiled):
        backward(model(x).square().sum())
    for one, other in zip(eager.parameters(), compiled.parameters(), strict=True):
        assert one.grad is not None
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-5)
    for one, other in zip(eager.buffers(), compiled.buffers(), strict=True):
        assert torch.allclose(one, other)
    assert eager.state_dict().keys() == compiled.state_dict().keys()
    assert counts["frames"]["ok"] > 0
    assert fields["type"] == "rnn" or not counts["graph_break"]


def test_ten_ten_one() -> None:
    model = build({"type": "mlp", "width": 10, "depth": 1}, models.DataShape(input_shape=(10,)), 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == 10 * 10 + 10 + 10 + 1


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_a_table_is_no_image(name: str) -> None:
    rule = rf"{name} needs images .* rows of shape \(13,\); use model.type mlp"
    with pytest.raises(ExperimentError, match=rule):
        build({"type": name}, models.DataShape(input_shape=(13,)))


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_tokens_are_no_numbers(name: str) -> None:
    with pytest.raises(ExperimentError, match=f"{name} needs rows of numbers, .* use model.type rnn or"):
        build({"type": name}, TOKENS)


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_a_table_is_no_sequence(name: str) -> None:
    rule = rf"{name} needs rows of tokens, or numbers of shape .* \(13,\); use model.type mlp"
    with pytest.raises(ExperimentError, match=rule):
        build({"type": name}, models.DataShape(input_shape=(13,)))
