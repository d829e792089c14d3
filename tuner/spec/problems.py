"""What is wrong with an experiment: one sentence a path, each with its place in the file.

Checks add to one `Problems`; at the end it raises them all as one error.
"""

from tuner.errors import ExperimentError
from tuner.spec.reading import KeyPath, SourceMap, source_at

MOST = 100
"""Sentences in one error."""


class Problems:
    """Sentences by path; `sources` gives the place of a path in the file."""

    def __init__(self) -> None:
        self.sources: SourceMap = {}
        self.sentences: dict[KeyPath, str] = {}

    def add(self, path: KeyPath, rest: str) -> None:
        """Adds the sentence "`path` `rest`", unless the path or one above it has one already."""
        if not any(path[:length] in self.sentences for length in range(len(path) + 1)):
            self.sentences[path] = f"{dotted(path)} {rest}"

    @property
    def are_many(self) -> bool:
        """Whether more of them would help nobody."""
        return len(self.sentences) >= MOST

    def raise_if_any(self) -> None:
        """Raises one ExperimentError with a line for each problem."""
        lines = []
        for path, sentence in list(self.sentences.items())[:MOST]:
            source = source_at(self.sources, path)
            lines.append(f"{source}: {sentence}" if source else sentence)
        if lines:
            raise ExperimentError("\n".join(lines))


def dotted(path: KeyPath) -> str:
    return ".".join(map(str, path)) or "the experiment"
