"""How many gangs fit, what does not fit, and where the ranks stand."""

import pytest

from tuner.errors import ResourceError
from tuner.execution.placement import GangSize, NodeSize, Place, num_gangs, seats, size_gang
from tuner.spec.sections import ResourcesSpec


def resources(**changes):
    return ResourcesSpec(**changes)


@pytest.mark.parametrize(
    ("nodes", "gang", "expected"),
    [
        ([NodeSize(2, 0)], GangSize(2, 1, 0), 1),
        ([NodeSize(8, 0)], GangSize(2, 1, 0), 4),
        ([NodeSize(8, 0)], GangSize(3, 1, 0), 2),
        ([NodeSize(8, 4)], GangSize(2, 1, 1), 2),
        ([NodeSize(8, 4), NodeSize(8, 4)], GangSize(8, 1, 1), 1),
        ([NodeSize(3, 0), NodeSize(3, 0)], GangSize(1, 2, 0), 2),
        ([NodeSize(4, 1)], GangSize(1, 0.5, 0.5), 2),
        ([NodeSize(1, 0)], GangSize(10, 0.1, 0), 1),
        ([NodeSize(64, 0)], GangSize(1, 1, 1), 0),
    ],
)
def test_gangs_that_fit(nodes, gang, expected):
    assert num_gangs(gang, nodes) == expected


def test_auto_takes_gpus_where_there_are_enough():
    assert size_gang(resources(workers=2), [NodeSize(8, 4)]).gpus_per_worker == 1.0
    assert size_gang(resources(workers=2), [NodeSize(8, 0)]).gpus_per_worker == 0.0
    assert size_gang(resources(workers=2), [NodeSize(8, 1)]).gpus_per_worker == 0.0


def test_device_threads_and_bundles():
    gang = size_gang(resources(workers=2, cpus_per_worker=4, gpus_per_worker=1), [NodeSize(8, 2)])
    assert (gang.device_type, gang.threads, gang.gpus) == ("cuda", 4, 2.0)
    assert gang.bundles() == [{}, *[{"CPU": 4.0, "GPU": 1.0}] * gang.workers]
    assert GangSize(1, 0.5, 0).bundles() == [{}, {"CPU": 0.5}]
    assert GangSize(1, 0.5, 0).threads == 1


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"workers": 3}, r"3 workers of 1 CPUs and 0 GPUs.*has 2 CPUs and 0 GPUs on 1 node"),
        ({"gpus_per_worker": 1}, r"1 workers of 1 CPUs and 1 GPUs"),
        ({"cpus_per_worker": 4}, r"1 workers of 4 CPUs"),
    ],
)
def test_a_gang_that_never_fits_is_refused(asked, found):
    with pytest.raises(ResourceError, match=found):
        size_gang(resources(**asked), [NodeSize(2, 0)])


def test_ranks_of_a_node_stand_together_and_see_each_others_gpus():
    places = [
        Place("a", "10.0.0.1", ("0",), 1),
        Place("b", "10.0.0.2", ("3",), 1),
        Place("a", "10.0.0.1", ("1",), 1),
        Place("b", "10.0.0.2", ("2",), 1),
    ]
    found = seats(places)
    assert [seat.index for seat in found] == [0, 2, 1, 3]
    assert [seat.rank for seat in found] == [0, 1, 2, 3]
    assert [seat.local_rank for seat in found] == [0, 1, 0, 1]
    assert [seat.visible_gpus for seat in found] == ["0,1", "0,1", "3,2", "3,2"]


def test_ranks_that_share_a_gpu_have_the_same_local_rank():
    places = [Place("a", "10.0.0.1", ("0",), 1), Place("a", "10.0.0.1", ("0",), 1)]
    assert [(seat.local_rank, seat.visible_gpus) for seat in seats(places)] == [(0, "0"), (0, "0")]


def test_without_gpus_ranks_are_counted_by_node():
    places = [Place("a", "10.0.0.1", (), 1), Place("a", "10.0.0.1", (), 1), Place("b", "10.0.0.2", (), 1)]
    assert [(seat.rank, seat.local_rank) for seat in seats(places)] == [(0, 0), (1, 1), (2, 0)]
