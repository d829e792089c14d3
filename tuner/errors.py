"""The tree of errors that a user can cause or meet.

Every message is one sentence with the rule, what was found, and the fix. `exit_status` is what the
command line returns: 2 where the request was wrong (found before anything starts), 1 where work failed.
"""


class TunerError(Exception):
    """Base of all user errors; work that was asked for correctly did not succeed."""

    exit_status = 1


class StorageError(TunerError):
    """The disk or the database does not take what the search writes; what it took is kept."""


class Interrupted(TunerError):
    """The run was told to end before its search has; `tuner resume` goes on with it."""

    exit_status = 130


class UsageError(TunerError):
    """What was asked for is wrong; nothing was started and nothing was left behind."""

    exit_status = 2


class ExperimentError(UsageError):
    """The experiment (file, `--set` or Python object) breaks a rule.

    One thing only a trial can tell: that a function of one's own never reports a metric.
    """


class DataError(UsageError):
    """The data that the experiment names cannot be used."""


class ResourceError(UsageError):
    """The cluster will never have what the experiment asks for."""


class PrecisionError(UsageError):
    """The accelerator cannot train in the asked precision."""


class ResultsError(UsageError):
    """A results folder is missing, is none of ours, or holds another experiment."""
