"""Which fault a gang has, told from how the calls of its ranks ended."""

import pytest

from tuner.execution.faults import End, GangLost, OutOfMemory, TrialRaised, fault_of

HUNG_S = 3.0
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
    ("ends", "log", "hung_s", "expected"),
    [
        ([RETURNED, RAISED], "", None, TrialRaised("ValueError: no")),
        ([CUT_OFF, RAISED], "", None, TrialRaised("RuntimeError: Connection closed by peer")),
        ([LATE, RAISED], "", None, GangLost("rank 1 raised ValueError: no, while rank 0 waited for it")),
        (
            [LATE, FULL],
            "",
            None,
            OutOfMemory("rank 1 ran out of memory: OutOfMemoryError: CUDA out of memory"),
        ),
        ([CUT_OFF, FULL], "", HUNG_S, OutOfMemory(f"rank 1 ran out of memory: {FULL.reason}")),
        ([LATE, DIED], "", None, GangLost(BY_SIGN)),
        ([CUT_OFF, DIED], "", None, GangLost(BY_SIGN)),
        ([CUT_OFF, DIED], CRASH, None, GangLost("rank 1 died: Segmentation fault, see log.txt")),
        ([CUT_OFF, NODE], "", None, GangLost("rank 1 died: its node is gone")),
        ([CUT_OFF, CODE], "", None, GangLost("rank 1 died: exit code 137")),
        (
            [CUT_OFF, DIED],
            "",
            HUNG_S,
            GangLost("no progress for 3 s; the stacks of all ranks are in log.txt"),
        ),
        (
            [LATE, DIED],
            "",
            HUNG_S,
            GangLost(
                "no progress for 3 s; the stacks of all ranks are in log.txt, "
                "but for rank 0, which did not answer"
            ),
        ),
        (
            [CUT_OFF, DIED],
            "terminate called after throwing an instance of 'std::bad_alloc'\n",
            None,
            OutOfMemory(BY_SIGN),
        ),
    ],
)
def test_fault(ends, log, hung_s, expected):
    found = fault_of(ends, log, hung_s)
    assert (type(found), str(found)) == (type(expected), str(expected))


def test_faults_have_the_words_of_a_report():
    assert [kind.fault for kind in (TrialRaised, GangLost, OutOfMemory)] == ["error", "lost", "memory"]
