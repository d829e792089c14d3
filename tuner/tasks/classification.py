"""Classification: one logit a class with cross-entropy, or a single one for two classes with BCE.

The loss that is trained may be smoothed, the loss that is measured never is, so that trials with different
label smoothing can be compared (smoothing: Szegedy et al., "Rethinking the Inception Architecture for
Computer Vision", 2016, section 7). Statistics: sum of losses, rows, confusion matrix (class x prediction).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tuner.errors import ExperimentError
from tuner.tasks.base import AnyArray, Network, Preparation, Targets, Task, Training, inputs, outputs_of


def make(train: Training, data: Targets) -> Task:
    """ExperimentError when bce has other than two classes."""
    assert data.class_names is not None
    if train.loss != "bce":
        return SoftmaxClassification(data.class_names, train.label_smoothing)
    if len(data.class_names) != 2:
        raise ExperimentError(
            f"train.loss bce needs two classes, but the data has {len(data.class_names)}; use cross_entropy"
        )
    return BinaryClassification(data.class_names, train.label_smoothing)


@dataclass(frozen=True)
class Classification(ABC):
    """Statistics and metrics, which do not depend on the number of logits."""

    class_names: tuple[str, ...]
    label_smoothing: float = 0.0

    @property
    def is_per_token(self) -> bool:
        return False

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @abstractmethod
    def classes(self, outputs: Tensor) -> Tensor:
        """The predicted class indices [rows]."""

    @abstractmethod
    def measured_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum of the unsmoothed losses of the rows, float32."""

    def statistics(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """[2 + num_classes ** 2]: sum of losses, rows, confusion matrix."""
        cells = targets.long() * self.num_classes + self.classes(outputs)
        confusion = torch.bincount(cells, minlength=self.num_classes**2).double()
        loss = self.measured_loss(outputs, targets).double()
        return torch.cat([loss.reshape(1), confusion.sum().reshape(1), confusion])

    def metrics(self, statistics: Tensor) -> dict[str, float]:
        """loss, accuracy, f1: of class 1 of two, else the mean over those that occur or are predicted."""
        loss, rows = statistics[:2].tolist()
        confusion = statistics[2:].reshape(self.num_classes, self.num_classes)
        correct = confusion.diagonal()
        return {"loss": loss / rows, "accuracy": correct.sum().item() / rows, "f1": _f1(confusion)}


@dataclass(frozen=True)
class SoftmaxClassification(Classification):
    """One logit a class, cross-entropy."""

    @property
    def num_outputs(self) -> int:
        return self.num_classes

    def batch(
        self, x: AnyArray, y: AnyArray, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        return inputs(x, device, dtype), torch.from_numpy(y).to(device)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """`targets`: class indices [rows], or the shares of the classes [rows, num_classes]."""
        return functional.cross_entropy(outputs.float(), targets, label_smoothing=self.label_smoothing)

    def measured_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs.float(), targets, reduction="sum")

    def classes(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(dim=1)

    def examine(self, outputs: Tensor, targets: Tensor) -> dict[str, AnyArray]:
        return {"probabilities": outputs.float().softmax(dim=1).numpy()}

    def predict(self, network: Network, raw: AnyArray, preparation: Preparation) -> list[dict[str, Any]]:
        """{"label": class name, "probability": of that class}"""
        outputs = outputs_of(network, raw, preparation)
        probabilities, classes = outputs.float().softmax(dim=1).max(dim=1)
        return _predictions(self.class_names, classes, probabilities)


@dataclass(frozen=True)
class BinaryClassification(Classification):
    """One logit for two classes, binary cross-entropy; class 1 is predicted where the logit is positive.

    A smoothing of s moves the targets to s/2 and 1 - s/2, as cross-entropy with two classes does.
    """

    @property
    def num_outputs(self) -> int:
        return 1

    def batch(
        self, x: AnyArray, y: AnyArray, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        return inputs(x, device, dtype), torch.from_numpy(y).to(device=device, dtype=torch.float32)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        smoothed = targets * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        return functional.binary_cross_entropy_with_logits(outputs[:, 0].float(), smoothed)

    def measured_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs[:, 0].float(), targets, reduction="sum")

    def classes(self, outputs: Tensor) -> Tensor:
        return (outputs[:, 0] > 0).long()

    def examine(self, outputs: Tensor, targets: Tensor) -> dict[str, AnyArray]:
        logits = outputs[:, 0].float()
        return {"probabilities": torch.stack([(-logits).sigmoid(), logits.sigmoid()], dim=1).numpy()}

    def predict(self, network: Network, raw: AnyArray, preparation: Preparation) -> list[dict[str, Any]]:
        """{"label": class name, "probability": of that class}"""
        outputs = outputs_of(network, raw, preparation)
        classes = self.classes(outputs)
        sign = 2.0 * classes - 1.0
        return _predictions(self.class_names, classes, (sign * outputs[:, 0].float()).sigmoid())


def _f1(confusion: Tensor) -> float:
    correct = confusion.diagonal()
    counted = confusion.sum(dim=0) + confusion.sum(dim=1)
    scores = 2.0 * correct / counted.clamp(min=1.0)
    return float(scores[1] if len(scores) == 2 else scores[counted > 0].mean())


def _predictions(names: tuple[str, ...], classes: Tensor, probabilities: Tensor) -> list[dict[str, Any]]:
    pairs = zip(classes.tolist(), probabilities.tolist(), strict=True)
    return [{"label": names[index], "probability": probability} for index, probability in pairs]
