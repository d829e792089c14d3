"""What all sections of an experiment have in common: the base class, rules of values, kinds of numbers.

Each model is strict: text is no number, a boolean is no number, a whole number is fine for a real one.
Where several kinds exist, `type` tells which. A docstring under a field gives meaning, unit and range.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from tuner.spec.domains import is_path, show


def broken_rule(text: str) -> PydanticCustomError:
    """The error of a rule of ours; `text` goes on from the path: "must be odd; found 4"."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def as_path(path: str) -> str:
    if not is_path(path):
        raise broken_rule(f"must be the path of a file or folder; found {show(path)}; correct it")
    return path


def as_type(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


AnyPath = Annotated[str, AfterValidator(as_path)]
Seed = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
