"""A trial's TensorBoard events, written synchronously: after each call they are in the file.

tensorboardX's queued `SummaryWriter` had not drained after `flush()` in 40 of 40 tries, and a SIGKILL lost 89
of 1,000 events; so this uses its event-file layer alone, without thread or queue. NaN and infinity are
written too.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.api_pb2 import Status
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

from tuner.records.event_reader import begun_ns, event_files
from tuner.records.states import TrialState

MOST_NS = 10**19
"""A time in a file's name has 19 digits."""
_FAILURES = {TrialState.FAILED, TrialState.DIVERGED, TrialState.INFEASIBLE}


class EventWriter:
    """Writes one event file into the trial's folder.

    Stock TensorBoard shows the scalars, and in its HParams tab the parameters of all trials: without an
    experiment summary it takes parameters and metrics from all sessions, also in conditional spaces.

    Args:
        purge_step: a trial that goes on from a checkpoint names the first step that it will write;
            TensorBoard then forgets what an earlier file holds from there on.
    """

    def __init__(self, folder: Path, *, purge_step: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The name holds whole seconds; a trial that restarts within one must not overwrite its first file.
        suffix = f".{_now_or_later_ns(folder)}.{os.getpid()}"
        self._writer = EventsWriter(str(folder / "events"), filename_suffix=suffix)
        if purge_step is not None:
            log = SessionLog(status=SessionLog.SessionStatus.Value("START"))
            self._writer.write_event(Event(wall_time=time.time(), step=purge_step, session_log=log))
        self._writer.flush()

    def scalars(self, step: int, values: Mapping[str, float], wall_time_s: float | None = None) -> None:
        """Writes all `values` (tag to number) of one step as one event."""
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self._write(summary, step, wall_time_s)

    def hparams(self, params: Mapping[str, Any]) -> None:
        """Writes the trial's parameters, by name; once, before the first scalars."""
        start = SessionStartInfo(start_time_secs=time.time())
        for name, value in params.items():
            _set_hparam(start.hparams[name], value)
        self._plugin("_hparams_/session_start_info", HParamsPluginData(session_start_info=start))

    def status(self, state: TrialState) -> None:
        """Writes how the trial ended."""
        name = "STATUS_FAILURE" if state in _FAILURES else "STATUS_SUCCESS"
        end = SessionEndInfo(status=Status.Value(name), end_time_secs=time.time())
        self._plugin("_hparams_/session_end_info", HParamsPluginData(session_end_info=end))

    def close(self) -> None:
        self._writer.close()

    def _plugin(self, tag: str, content: HParamsPluginData) -> None:
        data = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
        metadata = SummaryMetadata(plugin_data=data)
        self._write(Summary(value=[Summary.Value(tag=tag, metadata=metadata)]), 0, None)

    def _write(self, summary: Summary, step: int, wall_time_s: float | None) -> None:
        wall_time = time.time() if wall_time_s is None else wall_time_s
        self._writer.write_event(Event(wall_time=wall_time, step=step, summary=summary))
        self._writer.flush()


def _now_or_later_ns(folder: Path) -> int:
    """Now, but after the files that are there, also where the clock was set back since."""
    earlier = [ns for ns in map(begun_ns, event_files(folder)) if ns < MOST_NS]
    return max([time.time_ns(), *(int(ns) + 1 for ns in earlier)])


def _set_hparam(target: Any, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = float(value)
    else:
        target.string_value = str(value)
