"""Which fault a gang has, told from how the calls of its ranks ended."""

import pytest

from tuner.execution.faults import End, GangLost, OutOfMemory, TrialRaised, fault_of

STACKS = "epoch 1\nTimeout (0:00:03)!\nThread 0x1 (most recent call first):\n"
CRASH = "Fatal Python error: Segmentation fault\n\nCurrent thread\n"
RETURNED = End("returned", "rank 0")
LATE = End("late", "rank 0")
CUT_OFF = End("raised", "rank 0", "RuntimeError: Connection closed by peer")
RAISED = End("raised", "rank 1", "ValueError: no")
FULL = End("raised", "rank 1", "OutOfMemoryError: CUDA out of memory", is_memory=True)
DIED = End("died", "rank 1", "Worker unexpectedly exits with a connection error")
NODE = End("died", "rank 1", "The actor died because its node has died. Node Id: 12")
CODE = End("died", "rank 1", "Worker exits with an exit code 137.")
BY_SIGN = "rank 1 died: it was killed, or ended without a word"


@pytest.mark.parametrize(
    ("ends", "log", "expected"),
    [
        ([RETURNED, RAISED], "", TrialRaised("ValueError: no")),
        ([CUT_OFF, RAISED], "", TrialRaised("RuntimeError: Connection closed by peer")),
        ([LATE, RAISED], "", GangLost("rank 1 raised ValueError: no, while rank 0 waited for it")),
        ([LATE, FULL], "", OutOfMemory("rank 1 ran out of memory: OutOfMemoryError: CUDA out of memory")),
        ([CUT_OFF, FULL], STACKS, OutOfMemory(f"rank 1 ran out of memory: {FULL.reason}")),
        ([LATE, DIED], "", GangLost(BY_SIGN)),
        ([CUT_OFF, DIED], "", GangLost(BY_SIGN)),
        ([CUT_OFF, DIED], CRASH, GangLost("rank 1 died: Segmentation fault, see log.txt")),
        ([CUT_OFF, NODE], "", GangLost("rank 1 died: its node is gone")),
        ([CUT_OFF, CODE], "", GangLost("rank 1 died: exit code 137")),
        ([LATE, DIED], "a line that says Timeout (0:00:03)!", GangLost(BY_SIGN)),
        ([CUT_OFF, DIED], STACKS, GangLost("no progress for 3 s; the stacks of all ranks are in log.txt")),
        (
            [LATE, DIED],
            STACKS,
            GangLost(
                "no progress for 3 s; the stacks of all ranks are in log.txt, "
                "but for rank 0, which did not answer"
            ),
        ),
        (
            [CUT_OFF, DIED],
            "terminate called after throwing an instance of 'std::bad_alloc'\n",
            OutOfMemory(BY_SIGN),
        ),
    ],
)
def test_fault(ends, log, expected):
    found = fault_of(ends, log, 3.0)
    assert (type(found), str(found)) == (type(expected), str(expected))


def test_faults_have_the_words_of_a_report():
    assert [kind.fault for kind in (TrialRaised, GangLost, OutOfMemory)] == ["error", "lost", "memory"]
