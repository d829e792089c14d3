"""`data`: how the source is split, cleaned, encoded and transformed."""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from tuner.spec.domains import is_number, is_whole, show
from tuner.spec.mel import empty_band
from tuner.spec.sections.base import AnyPath, Count, Positive, Section, Seed, as_type, broken_rule
from tuner.spec.sections.sources import Source


def _as_size(value: Any) -> Any:
    """(height, width) of a number of pixels or of two."""
    if value is None:
        return None
    sides = value if isinstance(value, list | tuple) else [value, value]
    if len(sides) != 2 or not all(is_whole(side) and 1 <= side <= MOST_PIXELS_A_SIDE for side in sides):
        raise broken_rule(
            f"must be a number of pixels from 1 to {MOST_PIXELS_A_SIDE}, or a list of two, [height, width]; "
            f"found {show(value)}"
        )
    return tuple(sides)


def _as_missing(value: Any) -> Any:
    is_constant = isinstance(value, dict) and value.keys() == {"constant"} and _is_value(value["constant"])
    if not (is_constant or value in get_args(MissingName) or isinstance(value, Constant)):
        raise broken_rule(
            f"must be one of {', '.join(get_args(MissingName))}, or a mapping of constant to text or a "
            f"number; found {show(value)}"
        )
    return value


def _is_value(value: Any) -> bool:
    return isinstance(value, str) or is_number(value)


def _none_as_null(value: Any) -> Any:
    return None if isinstance(value, str) and value == "none" else value


def _flag_or_robust(value: Any) -> Any:
    if value != "robust" and not isinstance(value, bool):
        raise broken_rule(f"must be true, false or robust; found {show(value)}")
    return value


MOST_PIXELS_A_SIDE = 4096


class Split(Section):
    """Fractions of the rows; they sum to 1."""

    train: Annotated[float, Field(gt=0, le=1)] = 0.7
    val: Annotated[float, Field(gt=0, le=1)] = 0.15
    test: Annotated[float, Field(ge=0, le=1)] = 0.15
    stratify: bool | None = None
    """equal shares of the classes in each part; None: yes for classification without groups, else no"""
    group: str | None = None
    """of recordings: what no two parts may share, a part of `source.pattern` or a column of the table"""
    seed: Seed = 0

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Split":
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            rest = 1 - self.train - self.val
            fix = "lower train or val" if rest < -1e-6 else f"with these, test is {abs(round(rest, 6)):g}"
            found = f"{total:.6g} (train {self.train}, val {self.val}, test {self.test})"
            raise broken_rule(f"must sum to 1; found {found}; {fix}")
        return self

    @model_validator(mode="after")
    def _groups_stay_whole(self) -> "Split":
        if self.group is not None and self.stratify:
            raise broken_rule("keeps groups whole or spreads classes; found group and stratify; drop one")
        return self


class ByteTokens(Section):
    """256 bytes."""

    type: Literal["byte"] = "byte"


class CharacterTokens(Section):
    """The characters of the training texts."""

    type: Literal["character"] = "character"


class BpeTokens(Section):
    """Byte pairs, learned on the training texts."""

    type: Literal["bpe"] = "bpe"
    vocabulary: Annotated[int, Field(ge=257)] = 8192
    """tokens, at most: 256 bytes, one for padding, the rest pairs"""


class PretrainedTokens(Section):
    """The tokenizer of a pretrained model (tokenizer.json), with the special tokens and padding of that."""

    type: Literal["pretrained"] = "pretrained"
    name: AnyPath
    """as `model.name` of a pretrained model"""


TokensSpec = Annotated[
    ByteTokens | CharacterTokens | BpeTokens | PretrainedTokens,
    BeforeValidator(as_type),
    Field(discriminator="type"),
]


class TextSpec(Section):
    """How texts become rows of tokens."""

    tokenizer: TokensSpec = BpeTokens()
    max_length: Count = 128
    """tokens of a row; longer texts are cut"""


class ImageSpec(Section):
    """How image files become arrays of bytes."""

    size: Annotated[tuple[int, int] | None, BeforeValidator(_as_size)] = None
    """(height, width) in pixels, also one number for both, to which every image is resized, whatever its
    shape; None: all images have the same size and keep it"""
    mode: Literal["rgb", "grey"] = "rgb"
    """three channels or one"""


class AudioSpec(Section):
    """How recordings become rows: spectrograms, the logarithm of the power in bands of equal width in mel; or
    waves, the samples themselves."""

    features: Literal["mel", "waves"] = "mel"
    """waves: for pretrained models, which hear these; mels, window_ms and hop_ms are of spectrograms only"""
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)] = 16_000
    """samples a second; recordings with others are resampled"""
    mels: Annotated[int, Field(ge=1, le=512)] = 64
    """bands"""
    window_ms: Annotated[float, Field(gt=0, le=10_000)] = 25.0
    """of sound that a frame sees, through a Hann window"""
    hop_ms: Annotated[float, Field(gt=0, le=10_000)] = 10.0
    """from one frame to the next"""
    max_seconds: Annotated[float, Field(gt=0, le=600)] = 1.0
    """of a recording; longer ones are cut, shorter ones go on in silence"""
    loudness: Literal["peak", "keep"] = "peak"
    """peak: each recording is as loud as it can be, its largest sample 1; keep: as it is"""

    @model_validator(mode="after")
    def _waves_have_no_bands(self) -> "AudioSpec":
        if self.features == "mel":
            return self
        for name in ("mels", "window_ms", "hop_ms"):
            if getattr(self, name) != AudioSpec.model_fields[name].default:
                raise broken_rule(
                    f"has {name} for spectrograms only; found {show(getattr(self, name))} with features "
                    "waves; drop it"
                )
        return self

    @model_validator(mode="after")
    def _frames_fit(self) -> "AudioSpec":
        if self.hop_ms > self.window_ms:
            raise broken_rule(
                f"needs hop_ms <= window_ms, or it skips sound; found {self.hop_ms:g} and "
                f"{self.window_ms:g}; lower hop_ms"
            )
        if self.window < 2 or self.hop < 1 or self.num_frames < 1:
            raise broken_rule(
                "needs a window of at least 2 samples, a hop of at least 1, and max_seconds for one window; "
                f"found {self.window}, {self.hop} and {self.max_seconds:g} s; change them"
            )
        band = empty_band(self.mels, self.sample_rate, self.num_fft)
        if band is not None and self.features == "mel":
            raise broken_rule(
                f"needs bands that are wider than the steps of a window's spectrum; found {self.mels} mels, "
                f"of which number {band + 1} has none of its {self.num_fft // 2 + 1} steps; lower mels or "
                "raise window_ms"
            )
        return self

    @property
    def window(self) -> int:
        """Samples."""
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop(self) -> int:
        """Samples."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def num_fft(self) -> int:
        """Samples of a window with the zeros behind it, a power of two."""
        return int(2 ** (self.window - 1).bit_length())

    @property
    def num_samples(self) -> int:
        return round(self.max_seconds * self.sample_rate)

    @property
    def num_frames(self) -> int:
        return (self.num_samples - self.window) // self.hop + 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (self.num_samples,) if self.features == "waves" else (1, self.mels, self.num_frames)


class Constant(Section):
    """The same for every missing value; text columns take it as text."""

    constant: str | int | float


class Outliers(Section):
    """What becomes of numbers that lie far from those of the training rows."""

    method: Literal["quantile", "zscore"]
    limit: Positive
    """quantile: the share of the rows beyond each end, below 0.5; zscore: standard deviations
    from the mean"""
    action: Literal["clip", "drop"] = "clip"
    """clip: they become the nearest usual number; drop: training rows with one are left out, others stay"""

    @model_validator(mode="after")
    def _quantiles_do_not_meet(self) -> "Outliers":
        if self.method == "quantile" and self.limit >= 0.5:
            raise broken_rule(f"with method quantile needs limit < 0.5; found {self.limit:g}; lower it")
        return self


MissingName = Literal["error", "drop", "mean", "median", "most_frequent"]
Missing = MissingName | Constant


class CleanSpec(Section):
    """What becomes of rows that cannot be used as they are."""

    missing: Annotated[Missing, BeforeValidator(_as_missing)] = "error"
    """features without a value; text takes its most frequent value where numbers take mean or median"""
    outliers: Annotated[Outliers | None, BeforeValidator(_none_as_null)] = None
    duplicates: Literal["keep", "drop"] = "keep"
    """rows that stand in a split twice, or in two splits, before cleaning or after it: test keeps them before
    val, and val before train"""
    invalid: Literal["error", "drop"] = "error"
    """rows without a label, with a label that training does not have, with text in a column of numbers, or
    without a text; files that are no image, recordings that cannot be read"""


class EncodeSpec(Section):
    """How columns of text become numbers."""

    categories: Literal["onehot", "ordinal"] = "onehot"
    """onehot: a feature each; ordinal: their place in alphabetical order"""


class DataSpec(Section):
    source: Source
    split: Split = Split()
    clean: CleanSpec = CleanSpec()
    encode: EncodeSpec = EncodeSpec()
    text: TextSpec | None = None
    """for tasks that read texts; None: byte pairs, 128 a row"""
    image: ImageSpec | None = None
    """for image files; None: RGB, in the size that they have"""
    audio: AudioSpec | None = None
    """for tasks that hear recordings; None: 64 mels of the first second"""
    standardise: Annotated[bool | Literal["robust"], BeforeValidator(_flag_or_robust)] = True
    """subtract the mean and divide by the standard deviation of the training rows; robust: the median, and
    the range of the middle half / 1.349"""
