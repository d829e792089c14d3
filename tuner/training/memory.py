"""Whether an error says that memory ran out. To be asked where it was raised: its causes do not travel."""

from collections.abc import Iterator

SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "bad_alloc")
"""In the message of an error that has no type of its own: of torch's CPU allocator, the system, C++."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or one that it was raised from, is of CUDA's, torch's or Python's allocator."""
    return any(_says_so(one) for one in _chain(error))


def says_out_of_memory(text: str) -> bool:
    lowered = text.lower()
    return any(sign in lowered for sign in SIGNS)


def _says_so(error: BaseException) -> bool:
    # torch has its own type, Ray another of the same name; neither is imported here.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and says_out_of_memory(str(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__ or one.__context__
