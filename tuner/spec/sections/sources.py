"""`data.source`: where the data comes from."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from tuner.spec.addresses import is_address, wrong_address
from tuner.spec.domains import show
from tuner.spec.sections.base import AnyPath, Count, Positive, Section, Seed, as_path, broken_rule


def _is_place(path: str) -> str:
    """A path, or an address of a file that lies elsewhere."""
    if is_address(path) and (rule := wrong_address(path)):
        raise broken_rule(rule)
    return as_path(path)


def _file_list(value: Any) -> Any:
    files = value if isinstance(value, list) else [value]
    if not files or not all(isinstance(file, str) for file in files):
        raise broken_rule(
            "must be a file, a list of files, or a mapping of train, val and test to such; "
            f"found {show(value)}; correct it"
        )
    for file in files:
        _is_place(file)
    return value


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


Place = Annotated[str, AfterValidator(_is_place)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]


class SklearnSource(Section):
    """A set that scikit-learn carries with it."""

    type: Literal["sklearn"] = "sklearn"
    name: Literal["digits", "iris", "wine", "breast_cancer", "diabetes"]


class TableFiles(Section):
    """The files of each split; `data.split` is not used then."""

    train: str | list[str]
    val: str | list[str]
    test: str | list[str] | None = None


FilesOrSplits = Annotated[str | list[str] | TableFiles, BeforeValidator(_table_files)]


class TableSource(Section):
    """A table in files with the same columns: numbers, text (categories) and booleans."""

    path: FilesOrSplits
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
    delimiter: Delimiter = ","


class JsonlSource(TableSource):
    """A JSON object a line; a key that a line does not have is missing in its row."""

    type: Literal["jsonl"] = "jsonl"


class ParquetSource(TableSource):
    """Apache Parquet."""

    type: Literal["parquet"] = "parquet"


class NpzSource(Section):
    """Two arrays in numpy archives, one row a sample."""

    type: Literal["npz"] = "npz"
    path: FilesOrSplits
    """as of a table"""
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
    """One folder of images a split; `data.split` is not used then."""

    train: Place
    val: Place
    test: Place | None = None


PathOrSplits = Annotated[Place | SplitFiles, BeforeValidator(_path_or_splits)]


class LabelledTextSource(Section):
    """A table with a column of texts, or two of pairs of texts, and a column of labels."""

    type: Literal["labelled_text"] = "labelled_text"
    path: FilesOrSplits
    """as of a table; .jsonl and .parquet are read as such, all else as text with a delimiter"""
    text: Annotated[str | list[str], BeforeValidator(_one_or_two_columns)] = "text"
    """name of the column of texts; or of the two columns of pairs of texts, first and second"""
    label: str = "label"
    """name of the column that is predicted"""
    columns: list[str] | None = None
    """names of the columns, where the files have no header row"""
    delimiter: Delimiter | None = None
    """None: a comma in .csv files, a tab in others"""

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
    path: FilesOrSplits
    """as of `labelled_text`"""
    source: str = "source"
    """name of the column of texts"""
    target: str = "target"
    """name of the column of translations"""
    columns: list[str] | None = None
    """names of the columns, where the files have no header row"""
    delimiter: Delimiter | None = None
    """None: a comma in .csv files, a tab in others"""

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
    """A running text in UTF-8; its beginning, middle and end are train, val and test, or files of each."""

    type: Literal["text"] = "text"
    path: FilesOrSplits
    """as of a table; several files are one text, in their order"""


class ImageFolderSource(Section):
    """A folder a class, named after it, with image files; or such a folder of folders for each split."""

    type: Literal["image_folder"] = "image_folder"
    path: PathOrSplits
    """the folder that holds the classes' folders, or one a split; relative to the experiment file (in Python:
    to the working directory)"""


class AudioSource(Section):
    """Recordings in .wav files, with the class in the name of the file or of its folder, or in a table."""

    type: Literal["audio"] = "audio"
    path: FilesOrSplits
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
