"""Pretrained networks for images: the pixels that they get, what is trained, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pretrained_models import PIXELS, save_bert, save_convnext, save_resnet, save_vit
from pydantic import TypeAdapter

from tuner import models
from tuner.errors import ExperimentError
from tuner.models import DataShape
from tuner.spec.sections import PretrainedSpec

SHAPE = (3, 8, 9)
MOMENTS = {"mean": (120.0, 90.0, 60.0), "std": (50.0, 60.0, 70.0)}


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("models") / "vit")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_resnet(tmp_path_factory.mktemp("models") / "resnet")


@pytest.fixture(scope="module")
def convnext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_convnext(tmp_path_factory.mktemp("models") / "convnext")


def spec_of(folder: Path, tuning: Any = "full") -> PretrainedSpec:
    section = {"type": "pretrained", "name": str(folder), "tuning": tuning}
    return TypeAdapter(PretrainedSpec).validate_python(section)


def build(folder: Path, shape: tuple[int, ...] = SHAPE, tuning: Any = "full", **more: Any) -> Any:
    config = more.pop("config", None)
    torch.manual_seed(0)
    data = DataShape(input_shape=shape, **more)
    return models.build(spec_of(folder, tuning), data, 4, config=config).eval()


def check(folder: Path, shape: tuple[int, ...] | None = SHAPE, tuning: Any = "full") -> None:
    models.check_pretrained_images(spec_of(folder, tuning), shape)


def trained(model: Any) -> set[str]:
    return {name for name, weight in model.network.named_parameters() if weight.requires_grad}


def pixels(channels: int = 3) -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randint(0, 256, (5, channels, 8, 9)).float()


def as_trained_on(values: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(PIXELS[key])[:, None, None] for key in ("image_mean", "image_std"))
    return (values / 255 - mean) / std


def set_pixels(folder: Path, content: Any) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(content))


class TestPixels:
    @pytest.mark.parametrize("name", ["vit", "resnet", "convnext"])
    def test_the_network_gets_those_that_it_was_trained_on(
        self, name: str, request: pytest.FixtureRequest
    ) -> None:
        folder = request.getfixturevalue(name)
        model = build(folder, **MOMENTS)
        mean, std = (torch.tensor(values)[:, None, None] for values in MOMENTS.values())
        expected = model.network(pixel_values=as_trained_on(pixels())).logits
        torch.testing.assert_close(model((pixels() - mean) / std), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(build(folder)(pixels()), expected, atol=1e-4, rtol=1e-4)

    def test_grey_images_go_to_each_channel(self, vit: Path) -> None:
        model = build(vit, (1, 8, 9), mean=(100.0,), std=(50.0,))
        grey = pixels(1)
        expected = model.network(pixel_values=as_trained_on(grey.repeat(1, 3, 1, 1))).logits
        torch.testing.assert_close(model((grey - 100) / 50), expected, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize(
        ("content", "factor", "summand"),
        [
            (PIXELS | {"do_rescale": False}, [4.0, 5.0, 2.0], [-2.0, -2.0, -0.6]),
            (PIXELS | {"do_normalize": False}, [1 / 255] * 3, [0.0] * 3),
            ({"image_mean": 0.5, "image_std": 0.5, "rescale_factor": 0.25}, [0.5] * 3, [-1.0] * 3),
        ],
    )
    def test_as_its_file_says(
        self, tmp_path: Path, content: Any, factor: list[float], summand: list[float]
    ) -> None:
        set_pixels(save_vit(tmp_path), content)
        model = build(tmp_path)
        assert model.factor.tolist() == pytest.approx(factor)
        assert model.summand.tolist() == pytest.approx(summand)

    def test_an_export_has_them_with_its_weights(self, vit: Path) -> None:
        model = build(vit, **MOMENTS)
        config = json.loads(json.dumps(models.read_config(spec_of(vit))))
        copy = build(Path("/nowhere"), config=config, **MOMENTS)
        copy.load_state_dict(model.state_dict())
        assert torch.equal(model(pixels()), copy(pixels()))


class TestTuning:
    @pytest.mark.parametrize("name", ["vit", "resnet", "convnext"])
    def test_all_layers_frozen(self, name: str, request: pytest.FixtureRequest) -> None:
        model = build(request.getfixturevalue(name), tuning="frozen")
        names = trained(model)
        assert any("classifier" in each for each in names)
        assert not any(part in each for each in names for part in ("stages", "layers.", "embed"))

    def test_stages_are_layers(self, convnext: Path) -> None:
        model = build(convnext, tuning={"type": "full", "layer_decay": 0.5})
        assert [share for share, _ in models.rate_groups(model)] == [1.0, 0.5, 0.25, 0.125]

    @pytest.mark.parametrize("name", ["vit", "convnext"])
    def test_adapters_and_the_head(self, name: str, request: pytest.FixtureRequest) -> None:
        model = build(request.getfixturevalue(name), tuning="lora")
        names = trained(model)
        assert any("lora_" in each for each in names)
        assert {"classifier.weight", "classifier.bias"} <= names
        kinds = ("lora_", "classifier", "layernorm")
        assert all(any(kind in each for kind in kinds) for each in names)

    def test_adapters_without_a_linear_layer(self, resnet: Path) -> None:
        with pytest.raises(ExperimentError, match="lora needs linear layers, but a model of type resnet has"):
            check(resnet, tuning="lora")


class TestRefused:
    def test_what_is_right_is_not(self, vit: Path, resnet: Path, convnext: Path) -> None:
        check(vit, tuning="lora")
        check(vit, (1, 8, 9))
        check(vit, None)
        check(resnet, (3, 40, 30), "frozen")
        check(convnext, (3, 24, 24), {"type": "frozen", "layers": 2})

    def test_a_size_that_it_does_not_take(self, vit: Path) -> None:
        with pytest.raises(
            ExperimentError, match=r"does not take 9 x 8 pixels \(.*set data.image.size to \[8, 9\]"
        ):
            check(vit, (3, 9, 8))

    def test_images_that_are_too_small(self, convnext: Path) -> None:
        with pytest.raises(
            ExperimentError, match=r"does not take 4 x 4 pixels .*; set data.image.size to 16"
        ):
            check(convnext, (3, 4, 4))

    def test_other_channels(self, vit: Path) -> None:
        with pytest.raises(
            ExperimentError, match="have the 3 channels of the model, but .* got images with 4"
        ):
            check(vit, (4, 8, 9))

    def test_a_model_for_texts(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="has for image classification, but .* is of type bert"):
            check(save_bert(tmp_path))

    def test_a_type_with_several_classes_that_names_none(self, tmp_path: Path) -> None:
        config = json.loads((save_vit(tmp_path) / "config.json").read_text())
        del config["architectures"]
        (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "deit"}))
        with pytest.raises(ExperimentError, match="has for image classification, but .* is of type deit"):
            check(tmp_path)

    @pytest.mark.parametrize(
        "content",
        [
            None,
            [],
            {},
            {"image_mean": [0.5] * 3},
            PIXELS | {"image_mean": "grey"},
            PIXELS | {"image_mean": [0.5] * 2},
            PIXELS | {"do_flip_channel_order": True},
        ],
    )
    def test_pixels_of_which_nothing_is_known(self, tmp_path: Path, content: Any) -> None:
        set_pixels(save_vit(tmp_path), content)
        with pytest.raises(ExperimentError, match=r"how its pixels are scaled, .* cannot be used \("):
            check(tmp_path)
        (tmp_path / "preprocessor_config.json").unlink()
        with pytest.raises(ExperimentError, match=r"cannot be used \(FileNotFoundError: "):
            build(tmp_path)
