"""The sections of an experiment: frozen, with concrete values only (a domain never gets here).

Each model is strict: text is no number, a boolean is no number, a whole number is fine for a real one.
Where several kinds exist, `type` tells which. A docstring under a field gives meaning, unit and range.
"""

import os
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tuner.spec.addresses import is_address, wrong_address
from tuner.spec.domains import is_number, is_path, is_whole, show
from tuner.spec.mel import empty_band
from tuner.spec.metrics import Mode
from tuner.spec.tasks import TaskName


def broken_rule(text: str) -> PydanticCustomError:
    """The error of a rule of ours; `text` goes on from the path: "must be odd; found 4"."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise broken_rule(f"must be odd; found {value}; use {value + 1}")
    return value


def _two_betas(value: Any) -> tuple[float, float]:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(is_number(beta) and 0 <= beta < 1 for beta in value):
        raise broken_rule(f"must be a list of two numbers in [0, 1); found {show(value)}")
    return float(value[0]), float(value[1])


def _auto_or_count(value: Any) -> Any:
    if value == "auto":
        return value
    if not (is_number(value) and value >= 0 and (value < 1 or value == int(value))):
        raise broken_rule(
            f"must be 'auto', a share of one GPU below 1, or a whole number of GPUs; found {show(value)}"
        )
    return value


def _auto_or_flag(value: Any) -> Any:
    if value != "auto" and not isinstance(value, bool):
        raise broken_rule(f"must be 'auto', true or false; found {show(value)}")
    return value


def _is_path(path: str) -> str:
    if not is_path(path):
        raise broken_rule(f"must be the path of a file or folder; found {show(path)}; correct it")
    return path


def _is_place(path: str) -> str:
    """A path, or an address of a file that lies elsewhere."""
    if is_address(path) and (rule := wrong_address(path)):
        raise broken_rule(rule)
    return _is_path(path)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _is_absolute(path: str) -> str:
    if not os.path.isabs(path):
        raise broken_rule(f"must be an absolute path, for each node has its own; found {show(path)}")
    return path


def _as_type(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


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


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float):
        raise broken_rule(f"must be text, a number, true, false or null; found {show(value)}")
    return value


def _as_prior(value: Any) -> Any:
    return {"at": value} if isinstance(value, str | int | float) else value


def _file_list(value: Any) -> str | list[str]:
    files = value if isinstance(value, list) else [value]
    if not files or not all(isinstance(file, str) for file in files):
        raise broken_rule(
            "must be a file, a list of files, or a mapping of train, val and test to such; "
            f"found {show(value)}; correct it"
        )
    for file in files:
        _is_place(file)
    return value  # type: ignore[no-any-return]


def _table_files(value: Any) -> Any:
    """What the union of the types would say of a mistake is one sentence a type."""
    if not isinstance(value, dict):
        return value if isinstance(value, TableFiles) else _file_list(value)
    unknown = [part for part in value if part not in TableFiles.model_fields]
    if unknown or not {"train", "val"} <= value.keys():
        found = ", ".join(map(str, value)) or "nothing"
        raise broken_rule(f"needs train and val, and takes test beside them; found {found}; correct it")
    for part, files in value.items():
        if part != "test" or files is not None:
            _file_list(files)
    return value


def _path_or_splits(value: Any) -> Any:
    """What the union of the types would say of a mistake is one sentence a type."""
    if isinstance(value, SplitFiles):
        return value
    splits = value if isinstance(value, dict) else {"train": value, "val": value}
    paths = [path for part, path in splits.items() if part != "test" or path is not None]
    is_known = {"train", "val"} <= splits.keys() <= SplitFiles.model_fields.keys()
    if not is_known or not all(isinstance(path, str) for path in paths):
        raise broken_rule(
            "must be a path, or a mapping of train and val, and test where there is one, to such; "
            f"found {show(value)}; correct it"
        )
    for path in paths:
        _is_place(path)
    return value


def _split_names(value: Any) -> Any:
    """What the union of the types would say of a mistake is one sentence a type."""
    if value is None or isinstance(value, str | SplitNames):
        return value
    is_known = isinstance(value, dict) and {"train", "val"} <= value.keys() <= SplitNames.model_fields.keys()
    if not is_known or not all(isinstance(name, str) for name in value.values() if name is not None):
        raise broken_rule(
            "must be the name of a split, or a mapping of train and val, and test where there is one, to "
            f"such; found {show(value)}; correct it"
        )
    return value


def _one_or_two_columns(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or not 1 <= len(set(names)) == len(names) <= 2:
        raise broken_rule(f"must be the name of a column, or a list of two; found {show(value)}; correct it")
    return value


def _parallel_files(value: Any) -> Any:
    """What the union of the types would say of a mistake is one sentence a type."""
    if isinstance(value, ParallelFiles | ParallelSplits):
        return value
    is_split = isinstance(value, dict) and "train" in value
    parts = value if is_split else {"train": value, "val": value}
    pairs = [pair for part, pair in parts.items() if part != "test" or pair is not None]
    is_known = {"train", "val"} <= parts.keys() <= ParallelSplits.model_fields.keys()
    if not is_known or not all(_is_pair_of_files(pair) for pair in pairs):
        raise broken_rule(
            "must be a mapping of source and target to a file each, or a mapping of train and val, and test "
            f"where there is one, to such; found {show(value)}; correct it"
        )
    for pair in pairs:
        for file in pair.values():
            _is_place(file)
        if pair["source"] == pair["target"]:
            found = show(pair["source"])
            raise broken_rule(f"must be two files; found {found} as source and target; name both")
    return value


def _is_pair_of_files(value: Any) -> bool:
    is_pair = isinstance(value, dict) and value.keys() == {"source", "target"}
    return is_pair and all(isinstance(file, str) for file in value.values())


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


def _name_pattern(value: Any) -> Any:
    if value is None:
        return value
    if not isinstance(value, str):
        raise broken_rule(f"must be text such as '{{label}}_{{speaker}}'; found {show(value)}; correct it")
    literals, names = pattern_parts(value)
    is_clear = all(literals[1:-1]) and len(set(names)) == len(names)
    if not is_clear or any(re.search(r"[{}/]", text) for text in literals):
        raise broken_rule(
            "must name its parts as {name}, each once and with text between two of them; "
            f"found {show(value)}; correct it"
        )
    if "label" not in names:
        raise broken_rule(f"must have a part {{label}}; found {show(value)}; name the class so")
    return value


def pattern_parts(pattern: str) -> tuple[list[str], list[str]]:
    """Of a pattern of names the texts around its parts, one more than these, and the names of the parts."""
    pieces = re.split(r"\{([A-Za-z_]\w*)\}", pattern)
    return pieces[::2], pieces[1::2]


def _none_as_null(value: Any) -> Any:
    return None if isinstance(value, str) and value == "none" else value


def _flag_or_robust(value: Any) -> Any:
    if value != "robust" and not isinstance(value, bool):
        raise broken_rule(f"must be true, false or robust; found {show(value)}")
    return value


def _all_or_layers(value: Any) -> Any:
    if value != "all" and not (is_number(value) and value >= 0 and value == int(value)):
        raise broken_rule(f"must be 'all' or a whole number of layers; found {show(value)}")
    return value


def _all_or_names(value: Any) -> Any:
    is_list = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
    if value != "all" and not is_list:
        raise broken_rule(f"must be 'all' or a list of names of linear layers; found {show(value)}")
    return value


MOST_PIXELS_A_SIDE = 4096
AnyPath = Annotated[str, AfterValidator(_is_path)]
Place = Annotated[str, AfterValidator(_is_place)]
Seed = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Penalty = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Betas = Annotated[tuple[float, float], BeforeValidator(_two_betas)]
Activation = Literal["relu", "gelu", "tanh", "silu", "leaky_relu"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


# --- data ---


class SklearnSource(Section):
    """A set that scikit-learn carries with it."""

    type: Literal["sklearn"] = "sklearn"
    name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]


class TableFiles(Section):
    """The files of each split; `data.split` is not used then."""

    train: str | list[str]
    val: str | list[str]
    test: str | list[str] | None = None


class TableSource(Section):
    """A table in files with the same columns: numbers, text (categories) and booleans."""

    path: Annotated[str | list[str] | TableFiles, BeforeValidator(_table_files)]
    """a file or a pattern (rows/*.csv, in alphabetical order), a list of such, or a mapping of train, val and
    test to such; relative to the experiment file (in Python: to the working directory)"""
    label: str
    """name of the column that is predicted"""
    features: list[str] | None = None
    """names of the columns to predict from; None: all others"""
    drop: list[str] | None = None
    """names of columns that are left out"""

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> "TableSource":
        _check_uses(self.label, self.features, self.drop or [])
        return self


def _check_uses(label: str | None, features: list[str] | None, dropped: list[str]) -> None:
    """Raises the error of a column that has two uses."""
    if features is not None and not features:
        raise broken_rule("needs a column in features; found none; name one or leave features out")
    twice = [name for name in features or [] if name in dropped or name == label]
    if twice:
        other = "label" if twice[0] == label else "drop"
        raise broken_rule(
            f"needs one use for each column; found {show(twice[0])} in features and {other}; name it once"
        )
    repeated = [name for name in features or [] if (features or []).count(name) > 1]
    if repeated:
        raise broken_rule(f"needs each feature once; found {show(repeated[0])} twice; name it once")
    if label in dropped:
        raise broken_rule(f"needs its label; found {show(label)} in drop too; name it once")


class CsvSource(TableSource):
    """Text tables with a header row."""

    type: Literal["csv"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","


class JsonlSource(TableSource):
    """A JSON object a line; a key that a line does not have is missing in its row."""

    type: Literal["jsonl"] = "jsonl"


class ParquetSource(TableSource):
    """Apache Parquet."""

    type: Literal["parquet"] = "parquet"


class NpzSource(Section):
    """Two arrays in a numpy archive, one row a sample."""

    type: Literal["npz"] = "npz"
    path: Place
    """relative to the experiment file (in Python: to the working directory)"""
    features: str = "x"
    """name of the array of inputs"""
    labels: str = "y"
    """name of the array of targets"""


class TwoClassSource(Section):
    """Two overlapping Gaussian classes of equal size; the best possible accuracy is Phi(separation / 2)."""

    type: Literal["two_class"] = "two_class"
    samples: Annotated[int, Field(ge=2)] = 1000
    features: Count = 10
    separation: Positive = 3.29
    """distance of the class means, in standard deviations; 3.29 gives a Bayes accuracy of 95%"""
    seed: Seed = 0


class SplitFiles(Section):
    """One file, or folder of images, a split; `data.split` is not used then."""

    train: Place
    val: Place
    test: Place | None = None


PathOrSplits = Annotated[Place | SplitFiles, BeforeValidator(_path_or_splits)]


class LabelledTextSource(Section):
    """A table with a column of texts, or two of pairs of texts, and a column of labels."""

    type: Literal["labelled_text"] = "labelled_text"
    path: PathOrSplits
    """one file, or one a split; relative to the experiment file (in Python: to the working directory)"""
    text: Annotated[str | list[str], BeforeValidator(_one_or_two_columns)] = "text"
    """name of the column of texts; or of the two columns of pairs of texts, first and second"""
    label: str = "label"
    """name of the column that is predicted"""
    columns: list[str] | None = None
    """names of the columns, where the file has no header row"""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = "\t"

    @property
    def text_columns(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else self.text

    @model_validator(mode="after")
    def _label_is_no_text(self) -> "LabelledTextSource":
        if self.label in self.text_columns:
            raise broken_rule(
                f"needs one use for each column; found {show(self.label)} in text and label; name another"
            )
        return self


class ParallelTableSource(Section):
    """A table with a column of texts and a column of their translations."""

    type: Literal["parallel_table"] = "parallel_table"
    path: PathOrSplits
    """one file, or one a split; relative to the experiment file (in Python: to the working directory)"""
    source: str = "source"
    """name of the column of texts"""
    target: str = "target"
    """name of the column of translations"""
    columns: list[str] | None = None
    """names of the columns, where the file has no header row"""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = "\t"

    @model_validator(mode="after")
    def _sides_differ(self) -> "ParallelTableSource":
        if self.source == self.target:
            raise broken_rule(f"needs two columns; found {show(self.source)} as source and target; name both")
        return self


class ParallelFiles(Section):
    """Two files of lines, each line of `target` the translation of the same line of `source`."""

    source: Place
    target: Place


class ParallelSplits(Section):
    """Two files a split; `data.split` is not used then."""

    train: ParallelFiles
    val: ParallelFiles
    test: ParallelFiles | None = None


class ParallelTextSource(Section):
    """Texts and their translations, a line each, in two files."""

    type: Literal["parallel_text"] = "parallel_text"
    path: Annotated[ParallelFiles | ParallelSplits, BeforeValidator(_parallel_files)]
    """relative to the experiment file (in Python: to the working directory)"""


class TextSource(Section):
    """A running text in UTF-8; its beginning, middle and end are train, val and test."""

    type: Literal["text"] = "text"
    path: Place
    """relative to the experiment file (in Python: to the working directory)"""


class ImageFolderSource(Section):
    """A folder a class, named after it, with image files; or such a folder of folders for each split."""

    type: Literal["image_folder"] = "image_folder"
    path: PathOrSplits
    """the folder that holds the classes' folders, or one a split; relative to the experiment file (in Python:
    to the working directory)"""


class AudioSource(Section):
    """Recordings in .wav files, with the class in the name of the file or of its folder, or in a table."""

    type: Literal["audio"] = "audio"
    path: Annotated[str | list[str] | TableFiles, BeforeValidator(_table_files)]
    """a folder (with those below it), a file or a pattern (recordings/*.wav), a list of such, or a mapping of
    train, val and test to such; or tables (.csv) that name the files, as seen from the table's folder"""
    pattern: Annotated[str | None, BeforeValidator(_name_pattern)] = None
    """of a file's name without its ending, "{label}_{speaker}": a part ends where the text after it begins;
    None: the class is the name of the file's folder. Not with tables"""
    file: str = "path"
    """name of a table's column of files"""
    label: str = "label"
    """name of a table's column that is predicted"""

    @model_validator(mode="after")
    def _is_all_tables_or_none(self) -> "AudioSource":
        tables = {file.endswith(".csv") for file in self._files()}
        if len(tables) > 1:
            raise broken_rule("needs tables (.csv) or recordings; found both in path; name one kind")
        if self.is_table and self.pattern is not None:
            raise broken_rule("takes its labels from a table or from pattern; found both; drop pattern")
        if self.is_table and any(is_address(file) for file in self._files()):
            raise broken_rule("needs tables (.csv) on this machine; found an address; name the recordings")
        return self

    @property
    def is_table(self) -> bool:
        return self._files()[0].endswith(".csv")

    @property
    def parts(self) -> list[str]:
        """The names of the parts of `pattern`."""
        return [] if self.pattern is None else pattern_parts(self.pattern)[1]

    def _files(self) -> list[str]:
        path = self.path
        parts = [path.train, path.val, path.test or []] if isinstance(path, TableFiles) else [path]
        return [file for files in parts for file in ([files] if isinstance(files, str) else files)]


class SplitNames(Section):
    """A data set's own names of its splits; `data.split` is not used then."""

    train: str
    val: str
    test: str | None = None


class HuggingFaceSource(Section):
    """A data set as the Hugging Face Hub has it: a table, or a column of texts."""

    type: Literal["huggingface"] = "huggingface"
    name: AnyPath
    """a folder where it begins with ./, ../, / or ~ (relative to the experiment file), as the Hub has it or
    `save_to_disk` writes it; else a name on the Hub"""
    subset: str | None = None
    """part of the data set; None: the only or usual one"""
    revision: str | None = None
    """branch, tag or commit on the Hub; None: the main branch"""
    splits: Annotated[str | SplitNames | None, BeforeValidator(_split_names)] = None
    """the split that `data.split` cuts, or a mapping of train, val and test to splits; None: the only one"""
    label: str | None = None
    """name of the column that is predicted; None: texts without labels, for language modelling"""
    text: str | None = None
    """name of the column of texts; None: the data set is a table"""
    features: list[str] | None = None
    """of a table, names of the columns to predict from; None: all others"""
    drop: list[str] | None = None
    """of a table, names of columns that are left out"""

    @model_validator(mode="after")
    def _is_table_or_texts(self) -> "HuggingFaceSource":
        if self.text is None and self.label is None:
            raise broken_rule("needs the name of its label or text column; found neither; name one")
        if self.text is not None and (self.features, self.drop) != (None, None):
            raise broken_rule("is a table or has texts; found text with features or drop; drop one")
        _check_uses(self.label, self.features, self.drop or [])
        return self

    @model_validator(mode="after")
    def _only_the_hub_has_revisions(self) -> "HuggingFaceSource":
        if self.revision is not None and self.name.startswith((".", "/", "~")):
            raise broken_rule("takes a revision from the Hub only; found it with a folder; drop it")
        return self


Source = Annotated[
    SklearnSource
    | CsvSource
    | JsonlSource
    | ParquetSource
    | NpzSource
    | TwoClassSource
    | LabelledTextSource
    | TextSource
    | ParallelTableSource
    | ParallelTextSource
    | ImageFolderSource
    | AudioSource
    | HuggingFaceSource,
    Field(discriminator="type"),
]


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
    BeforeValidator(_as_type),
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
    """How recordings become spectrograms: the logarithm of the power in bands of equal width in mel."""

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
        if band is not None:
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
    """What becomes of the rows of a table that cannot be used as they are."""

    missing: Annotated[Missing, BeforeValidator(_as_missing)] = "error"
    """features without a value; text takes its most frequent value where numbers take mean or median"""
    outliers: Annotated[Outliers | None, BeforeValidator(_none_as_null)] = None
    duplicates: Literal["keep", "drop"] = "keep"
    """rows that stand in a split twice, or in two splits, before cleaning or after it: test keeps them before
    val, and val before train"""
    invalid: Literal["error", "drop"] = "error"
    """rows without a label, with a label that training does not have, or with text in a column of numbers;
    files that are no image, recordings that cannot be read"""


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


# --- model ---


class MlpSpec(Section):
    """Fully connected network: `depth` hidden layers of `width` units."""

    type: Literal["mlp"] = "mlp"
    width: Count = 64
    depth: Count = 2
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    """share of the units that are zeroed in training, [0, 1)"""
    normalisation: Literal["none", "batch", "layer"] = "none"


class CnnSpec(Section):
    """Convolutional network: `depth` blocks, the first with `channels` channels."""

    type: Literal["cnn"] = "cnn"
    channels: Count = 32
    depth: Count = 2
    kernel_size: Annotated[int, Field(ge=1), AfterValidator(_odd)] = 3
    """pixels, odd"""
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    """share of the units that are zeroed in training, [0, 1)"""
    normalisation: Literal["none", "batch", "group"] = "none"


class ResnetSpec(Section):
    """Residual network (He et al., 2016) of `depth` layers with weights."""

    type: Literal["resnet"] = "resnet"
    depth: Literal[10, 18, 34, 50] = 18
    """10, 18 and 34 of blocks with two convolutions, 50 of bottlenecks with three"""
    channels: Count = 64
    """of the first of four stages, each of which has twice as many as the one before"""
    stem: Literal["small", "large"] = "small"
    """small: 3 x 3 pixels, for images up to about 64 pixels a side; large: 7 x 7, and a fourth of the side"""
    dropout: Fraction = 0.0
    """share of the features before the output layer that are zeroed in training, [0, 1)"""
    normalisation: Literal["batch", "group"] = "batch"
    checkpointing: bool = False
    """compute a block again in the backward pass instead of keeping its activations"""

    @property
    def min_side(self) -> int:
        """Pixels of the smaller side of an image, of which the last stage leaves one.

        Below that a stage would halve a single pixel, and the bf16 convolution of torch 2.13 on CPUs now and
        then gives NaN as the gradient of such weights.
        """
        return 32 if self.stem == "large" else 8


class RnnSpec(Section):
    """Recurrent network over a sequence: `depth` layers of `width` units a direction."""

    type: Literal["rnn"] = "rnn"
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    width: Count = 128
    depth: Count = 1
    bidirectional: bool = False
    """also from the end to the beginning; not for language modelling"""
    embedding: Count = 64
    """numbers that stand for a token, or a step of numbers"""
    dropout: Fraction = 0.0
    """share of the inputs of each layer that are zeroed in training, [0, 1)"""
    pooling: Literal["mean", "last", "max"] = "mean"
    """how the tokens of a row become one output; not used by language modelling, with an output a token"""


class TransformerLayers(Section):
    """What transformers share."""

    width: Count = 128
    """a multiple of `heads`"""
    depth: Count = 2
    heads: Count = 4
    feedforward: Count = 4
    """units between the two layers, as a multiple of `width`"""
    dropout: Fraction = 0.0
    """share of the embeddings, attention weights and outputs of layers that are zeroed in training, [0, 1)"""
    positions: Literal["learned", "rotary", "sinusoidal"] = "learned"
    """how a token's place counts: a weight, a rotation of queries and keys, or fixed waves"""
    activation: Activation = "gelu"
    tie_embeddings: bool = False
    """the output layer has the weights of the embedding; for language modelling and translation"""
    checkpointing: bool = False
    """compute a block again in the backward pass instead of keeping its activations"""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "TransformerLayers":
        if self.width % self.heads:
            multiple = -(-self.width // self.heads) * self.heads
            raise broken_rule(
                f"needs a width that is a multiple of heads; found width {self.width} with heads "
                f"{self.heads}; use width {multiple}"
            )
        head_width = self.width // self.heads
        if self.positions == "rotary" and head_width % 2:
            raise broken_rule(
                f"with positions rotary needs an even width / heads; found {self.width} / {self.heads} = "
                f"{head_width}; use width {self.width + self.heads}"
            )
        return self


class TransformerSpec(TransformerLayers):
    """Pre-norm transformer over a sequence: `depth` blocks of attention with `heads` heads and two layers."""

    type: Literal["transformer"] = "transformer"
    kind: Literal["encoder", "decoder"] = "encoder"
    """encoder: a token sees all others; decoder: only those before it, as language modelling needs"""

    @model_validator(mode="after")
    def _ties_in_decoders(self) -> "TransformerSpec":
        if self.tie_embeddings and self.kind != "decoder":
            raise broken_rule(
                f"with tie_embeddings needs kind decoder; found {self.kind}; change it or drop tie_embeddings"
            )
        return self


class EncoderDecoderSpec(TransformerLayers):
    """Pre-norm transformer from one sequence to another: `depth` blocks that read, and `depth` that write."""

    type: Literal["encoder_decoder"] = "encoder_decoder"


class FullTuning(Section):
    """All weights are trained."""

    type: Literal["full"] = "full"
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """learning rate of each layer, and of the embeddings, as a share of that of the layer above"""


class FrozenTuning(Section):
    """The embeddings and the first layers stay as they are."""

    type: Literal["frozen"] = "frozen"
    layers: Annotated[Literal["all"] | int, BeforeValidator(_all_or_layers)] = "all"
    """that stay; all: only what comes after the layers is trained"""


class LoraTuning(Section):
    """Low-rank adapters beside linear layers (Hu et al., 2021), and a classifier's head."""

    type: Literal["lora"] = "lora"
    rank: Count = 8
    alpha: Positive = 16.0
    """what an adapter adds is multiplied by alpha / rank"""
    dropout: Fraction = 0.0
    """share of an adapter's inputs that are zeroed in training, [0, 1)"""
    targets: Annotated[Literal["all"] | list[str], BeforeValidator(_all_or_names)] = "all"
    """names of the linear layers that get one, in the model's words; all: all in its layers"""


Tuning = Annotated[
    FullTuning | FrozenTuning | LoraTuning,
    BeforeValidator(_as_type),
    Field(discriminator="type"),
]


class PretrainedSpec(Section):
    """A model of Hugging Face's transformers with its trained weights, which are read from safetensors."""

    type: Literal["pretrained"] = "pretrained"
    name: AnyPath
    """a folder, which begins with . or / or ~ (relative to the experiment file; in Python: to the working
    directory), or a name on the Hugging Face Hub"""
    tuning: Tuning = FullTuning()
    """also the bare name of its type"""


ModelSpec = Annotated[
    MlpSpec | CnnSpec | ResnetSpec | RnnSpec | TransformerSpec | EncoderDecoderSpec | PretrainedSpec,
    Field(discriminator="type"),
]


# --- train ---


class Sgd(Section):
    type: Literal["sgd"] = "sgd"
    lr: Positive
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: Penalty = 0.0

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise broken_rule("with nesterov needs momentum > 0; found 0; raise it or drop nesterov")
        return self


class Adam(Section):
    type: Literal["adam"] = "adam"
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    weight_decay: Penalty = 0.0
    """added to the gradient, as an L2 penalty"""


class AdamW(Section):
    type: Literal["adamw"] = "adamw"
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    weight_decay: Penalty = 0.01
    """decoupled from the gradient (Loshchilov and Hutter, 2019)"""


Optimizer = Annotated[Sgd | Adam | AdamW, Field(discriminator="type")]


class Schedule(Section):
    """The learning rate over the steps of a full training: a linear warm-up, then `type`."""

    type: Literal["constant", "cosine", "linear"] = "constant"
    warmup: Fraction = 0.0
    """share of all steps, [0, 1)"""
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """the rate at the end as a share of `lr`, [0, 1]; a constant schedule does not use it"""


class FullShuffle(Section):
    """Any row may come at any place of an epoch."""

    type: Literal["full"] = "full"


class BlockShuffle(Section):
    """Blocks of neighbouring rows come in random order; the rows of some of them at a time are mixed."""

    type: Literal["block"] = "block"
    block_mb: Positive = 64.0
    """megabytes of prepared features in a block, as they are stored"""
    window: Count = 8
    """blocks whose rows are mixed"""


Shuffle = Annotated[FullShuffle | BlockShuffle, Field(discriminator="type")]


class Zero(Section):
    """What of the training state is split over the ranks (ZeRO; Rajbhandari et al., 2020)."""

    stage: Annotated[int, Field(ge=0, le=3)] = 0
    """0 nothing, 1 optimizer state, 2 gradients too, 3 weights too"""
    offload: Literal["none", "cpu"] = "none"
    """where the optimizer state lives: with the weights, or in the host's memory"""


class EarlyStop(Section):
    """A trial ends itself when its metric has not improved for a while."""

    patience: Count
    """reports without an improvement"""
    min_delta: Penalty = 0.0
    """what counts as an improvement, in the metric's unit"""


class AugmentSpec(Section):
    """How training rows are changed at random, anew in each epoch; 0: not. Values are in the unit of the
    prepared rows: standard deviations, of which 0 is the mean, unless `data.standardise` is false.
    """

    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """degrees about the centre, at most, either way"""
    scale: Fraction = 0.0
    """images get 1 - scale to 1 + scale times as large"""
    translate: Fraction = 0.0
    """share of each side that images are moved by, at most, either way"""
    flip: Share = 0.0
    """probability that left and right are exchanged"""
    brightness: Penalty = 0.0
    """what is added to an image, at most, or subtracted"""
    contrast: Fraction = 0.0
    """the values of an image are multiplied by 1 - contrast to 1 + contrast"""
    noise: Penalty = 0.0
    """standard deviation of Gaussian noise, drawn for each value"""
    cutout: Fraction = 0.0
    """share of each side of a rectangle that becomes 0 (DeVries and Taylor, 2017)"""
    time_mask: Fraction = 0.0
    """of a spectrogram: share of the columns that become 0, at most (Park et al., 2019)"""
    frequency_mask: Fraction = 0.0
    """of a spectrogram: share of the rows that become 0, at most (Park et al., 2019)"""
    mixup: Penalty = 0.0
    """alpha: rows and targets are mixed in pairs, by shares from Beta(alpha, alpha) (Zhang et al., 2018)"""
    token_dropout: Fraction = 0.0
    """share of the tokens that are left out; in language modelling, that become the unused token 0"""


class TrainSpec(Section):
    epochs: Count
    batch_size: Count = 64
    """rows a step over all ranks: micro_batch x accumulation x ranks"""
    micro_batch: Count | None = None
    """rows a forward pass of one rank; None: batch_size / workers"""
    optimizer: Optimizer = Adam()
    schedule: Annotated[Schedule, BeforeValidator(_as_type)] = Schedule()
    """also the bare name of its type"""
    shuffle: Annotated[Shuffle, BeforeValidator(_as_type)] = FullShuffle()
    """also the bare name of its type"""
    loss: Literal["auto", "cross_entropy", "bce", "mse", "huber"] = "auto"
    """auto: cross-entropy for classification, squared error for regression"""
    label_smoothing: Fraction = 0.0
    l1: Penalty = 0.0
    """factor of the sum of absolute weights that is added to the loss"""
    l2: Penalty = 0.0
    """factor of the sum of squared weights that is added to the loss"""
    gradient_clip: Positive | None = None
    """largest global L2 norm of the gradient"""
    augment: AugmentSpec = AugmentSpec()
    """of training rows only, and only as they are read: the prepared data stays the same"""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    zero: Zero = Zero()
    compile: bool = False
    """have torch compile the model (torch.compile), at the first step of a trial; needs a C++ compiler"""
    early_stop: EarlyStop | None = None
    validate_every: Count = 1
    """epochs between two validations, each of which is a report; the last epoch always validates"""
    seed: Seed = 0

    @property
    def num_reports(self) -> int:
        """Reports of a full training."""
        return -(-self.epochs // self.validate_every)


# --- search and resources ---


class PlainSampler(Section):
    """Without switches."""

    type: Literal["auto", "random", "curve_gp", "bohb", "qmc", "grid", "brute_force"]


class Tpe(Section):
    """Tree-structured Parzen estimator (Bergstra et al., 2011)."""

    type: Literal["tpe"] = "tpe"
    startup: Count = 10
    """trials that are known before the model starts; until then it is random"""
    multivariate: Annotated[Literal["auto"] | bool, BeforeValidator(_auto_or_flag)] = "auto"
    """whether parameters are drawn together; auto: unless trials are stopped early or there are several
    objectives"""
    group: bool = False
    """whether parameters that are only active under one condition are drawn together too"""
    constant_liar: bool = True
    """whether trials that have no value yet count as bad, so that none is proposed near them"""

    @model_validator(mode="after")
    def _group_is_multivariate(self) -> "Tpe":
        if self.group and self.multivariate is not True:
            found = show(self.multivariate)
            raise broken_rule(f"with group needs multivariate true; found {found}; set it or drop group")
        return self


class Gp(Section):
    """Gaussian process."""

    type: Literal["gp"] = "gp"
    startup: Count = 10
    """trials with a value before the model starts; until then it is random"""


class Cmaes(Section):
    """Covariance matrix adaptation evolution strategy (Hansen, 2016)."""

    type: Literal["cmaes"] = "cmaes"
    startup: Count = 1
    """trials with a value before the first generation; until then it is random"""
    population: Annotated[int, Field(ge=4)] | None = None
    """trials a generation; None: 4 + 3 ln(numeric parameters)"""


class Nsgaii(Section):
    """Non-dominated sorting genetic algorithm II (Deb et al., 2002)."""

    type: Literal["nsgaii"] = "nsgaii"
    population: Annotated[int, Field(ge=2)] | None = None
    """trials a generation; None: a fifth of all trials, from 4 to 50"""


SamplerName = Literal[
    "auto", "random", "curve_gp", "tpe", "bohb", "gp", "cmaes", "nsgaii", "qmc", "grid", "brute_force"
]
_PLAIN_SAMPLERS = get_args(PlainSampler.model_fields["type"].annotation)


def _kind_of_sampler(value: Any) -> Any:
    """The tag in `Sampler`: its type; of all that share a section, the section's first type."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", "name")
    return _PLAIN_SAMPLERS[0] if kind in _PLAIN_SAMPLERS else kind


def _as_name(sampler: Any) -> Any:
    """A section with which nothing is switched is its name."""
    has_switches = isinstance(sampler, Tpe | Gp | Cmaes | Nsgaii)
    is_usual = has_switches and sampler == type(sampler)()
    return sampler.type if is_usual or isinstance(sampler, PlainSampler) else sampler


Sampler = Annotated[
    Annotated[SamplerName, Tag("name")]
    | Annotated[PlainSampler, Tag("auto")]
    | Annotated[Tpe, Tag("tpe")]
    | Annotated[Gp, Tag("gp")]
    | Annotated[Cmaes, Tag("cmaes")]
    | Annotated[Nsgaii, Tag("nsgaii")],
    Discriminator(_kind_of_sampler),
    AfterValidator(_as_name),
]


class AutoScheduler(Section):
    """What the benchmark favours, which depends on whether trials can be paused."""

    type: Literal["auto"] = "auto"


class NoScheduler(Section):
    """Every trial trains to its full budget."""

    type: Literal["none"] = "none"


class Asha(Section):
    """Asynchronous successive halving (Li et al., 2020), eta = `factor`."""

    type: Literal["asha"] = "asha"
    variant: Literal["stopping", "promotion"] = "stopping"
    """stopping: a trial is judged once, at a rung, for good; promotion: it is paused there, and resumed when
    it is among the best of its rung"""
    grace: Count = 1
    """reports before the first rung"""
    factor: Annotated[int, Field(ge=2)] = 3
    """each rung keeps one of `factor` trials and lies `factor` times as far"""
    brackets: Count = 1
    """sets of rungs, each of which begins `factor` times as late as the one before"""


class Hyperband(Section):
    """Hyperband (Li et al., 2018): brackets of successive halving with different numbers of trials."""

    type: Literal["hyperband"] = "hyperband"
    grace: Count = 1
    """reports that the smallest rung has at least"""
    factor: Annotated[int, Field(ge=2)] = 3


class Median(Section):
    """Stops a trial whose best value is worse than the median running average (Golovin et al., 2017)."""

    type: Literal["median"] = "median"
    grace: Count = 1
    """reports before the first decision"""
    min_trials: Count = 3
    """trials that must have come as far before one is stopped"""


class IEpoch(Section):
    """A few reports for all, then the best finish (Egele et al., 2024: "the unreasonable effectiveness")."""

    type: Literal["iepoch"] = "iepoch"
    reports: Count = 1
    """after which a trial is paused"""
    keep: Count = 3
    """trials that are finished"""
    first: Count | None = None
    """trials before the best finish; None: all of search.trials"""


class Extrapolation(Section):
    """Stops a trial whose extrapolated learning curve hardly reaches the best value."""

    type: Literal["extrapolation"] = "extrapolation"
    grace: Count = 4
    """reports before the first decision"""
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """of ending better than the best, below which a trial is stopped"""


class FreezeThaw(Section):
    """Pauses every trial that another one, new or paused, is expected to overtake (Swersky et al., 2014)."""

    type: Literal["freeze_thaw"] = "freeze_thaw"
    grace: Count = 1
    """reports before the first decision"""


class Pbt(Section):
    """Population based training (Jaderberg et al., 2017)."""

    type: Literal["pbt"] = "pbt"
    interval: Count = 4
    """reports between two exploits of a trial"""
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """share of the population that is replaced, and that it is replaced by"""
    resample: Annotated[float, Field(ge=0, le=1)] = 0.25
    """probability that a value is drawn anew instead of multiplied by 0.8 or 1.2"""


class Pb2(Section):
    """Population based bandits (Parker-Holder et al., 2020): PBT with new values by a Gaussian process."""

    type: Literal["pb2"] = "pb2"
    interval: Count = 4
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25


Scheduler = Annotated[
    AutoScheduler | NoScheduler | Asha | Hyperband | Median | IEpoch | Extrapolation | FreezeThaw | Pbt | Pb2,
    Field(discriminator="type"),
]


class Bound(Section):
    """What a reported metric may be, at most and at least."""

    max: float | None = None
    min: float | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "Bound":
        if self.max is None and self.min is None:
            raise broken_rule("needs max or min; found neither; add one")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise broken_rule(f"needs min <= max; found min {self.min:g} and max {self.max:g}; swap them")
        return self


class Prior(Section):
    """Where the user believes the best value of a parameter to lie."""

    at: Annotated[Any, AfterValidator(_scalar)]
    """the likeliest value; of a choice the label of an option"""
    spread: Annotated[float, Field(gt=0)] = 0.15
    """standard deviation as a share of the (log) range; of a choice, the share of the other options"""


class StopSearch(Section):
    """When the search ends before its trials are spent; the first condition that holds ends it."""

    hours: Positive | None = None
    """wall time"""
    gpu_hours: Positive | None = None
    """sum over the trials of time x GPUs"""
    target: float | None = None
    """a value of the metric that is good enough"""
    patience: Count | None = None
    """trials that have finished or paused, each counted once, since the best value last improved"""
    min_gain: Positive | None = None
    """estimated remaining gain, in the metric's unit, below which going on is not worth it"""


class SearchSpec(Section):
    metric: str
    """what is compared, as the trial reports it: val/accuracy"""
    mode: Mode
    """the better direction; an experiment file may leave it out where the task knows the metric"""
    also: dict[str, Mode] = {}
    """further objectives, metric -> direction; the best trials are then a Pareto front"""
    constraints: dict[str, Bound] = {}
    """metric -> what it may be; a trial outside is INFEASIBLE, and the sampler learns where"""
    trials: Count = 32
    sampler: Sampler = "auto"
    """a name, or a mapping with its switches; a mapping that switches nothing is the name"""
    scheduler: Annotated[Scheduler, BeforeValidator(_as_type)] = AutoScheduler()
    """also the bare name of its type"""
    checkpoints: bool = True
    """whether trials can be saved and loaded, so that a scheduler may pause and resume them"""
    stop: StopSearch = StopSearch()
    points: list[dict[str, Any]] = []
    """configurations to try first, name -> value; what a point leaves out is drawn"""
    warm_start: list[Annotated[AnyPath, AfterValidator(_absolute)]] = []
    """folders of earlier experiments to learn from, relative to the working directory"""
    priors: dict[str, Annotated[Prior, BeforeValidator(_as_prior)]] = {}
    """parameter -> where its best value is believed to lie; also the bare value"""
    seed: Seed = 0
    storage: str | None = None
    """an Optuna RDB URL; None: a journal in the experiment's folder"""

    @property
    def sampler_name(self) -> str:
        """The sampler's name, whatever its switches."""
        return self.sampler if isinstance(self.sampler, str) else self.sampler.type


class ConfirmSpec(Section):
    """The best trials are trained again in full, with fresh seeds, and ranked by these runs alone.

    This comes after the search, also where `search.stop` ended it, and its cost on top of the search's.
    """

    top: Count = 3
    """trials to confirm"""
    seeds: Count = 3
    """fresh runs of each"""


class RecoverySpec(Section):
    """What happens when something fails, and how much work a failure may cost."""

    retries: Annotated[int, Field(ge=0)] = 2
    """times that a trial begins again after a fault without a new report in between; then it is FAILED"""
    hang_seconds: Positive = 1800.0
    """without a step of training (a report, in a function of one's own), after which a gang is replaced"""
    grace_seconds: Positive = 30.0
    """for gangs to save when the run is told to end; then they are ended"""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0
    """of training between two checkpoints of a running trial; 0: one at every report"""
    keep_last: Count = 2
    """checkpoints of each trial that is not finished"""
    keep_best: Count | None = None
    """trials whose best weights are kept, the best ones of the search; None: all"""


class ShardCacheSpec(Section):
    """Prepared rows are read through copies on a disk of each node, which all of its trials share."""

    path: Annotated[AnyPath, AfterValidator(_is_absolute)]
    """a folder of each node's own disk"""
    limit_mb: Positive
    """megabytes of all copies in it together"""
    shard_mb: Positive = 64.0
    """megabytes of rows that are copied at once"""


class ResourcesSpec(Section):
    workers: Count = 1
    """ranks that train one trial together"""
    cpus_per_worker: Positive = 1.0
    gpus_per_worker: Annotated[Literal["auto"] | float, BeforeValidator(_auto_or_count)] = "auto"
    """auto: one where the cluster has any; below 1, for gangs of one worker: a share of one and of its memory
    """
    ray_data_above_mb: Annotated[float, Field(ge=0)] = 1024.0
    """megabytes of image files, running text or tables beyond which Ray Data prepares them, on all nodes,
    each of which must see them; below, one process does"""
    shard_cache: ShardCacheSpec | None = None
    """None: prepared rows are read from where the results lie"""


class TrialSpec(Section):
    """One trial's concrete configuration."""

    task: TaskName
    data: DataSpec
    model: ModelSpec
    train: TrainSpec

    def with_seed(self, seed: int) -> "TrialSpec":
        """The same with other initial weights, order and dropout; the split of the data stays."""
        return self.model_copy(update={"train": self.train.model_copy(update={"seed": seed})})
