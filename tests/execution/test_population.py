"""Populations without a cluster: what is mutated, who copies whom, and what the conductor makes of it."""

import math
import random

import numpy as np
import pytest
from execution_fakes import ListedSearcher, conduct

from tuner.execution.conductor import Conductor
from tuner.execution.population import Axis, Population, make_axes
from tuner.records.files import read_lines
from tuner.records.paths import ExperimentPaths
from tuner.records.states import TrialState
from tuner.search.scheduler import Action, Exploit, Resume
from tuner.spec import Choice, Experiment, Float, Int, Parameter

NUM_TRIALS = 8
FULL = 8
SPACES = {
    "pbt": {
        "lr": Float(1e-4, 1e-1, log=True),
        "units": Int(1, 64, log=True),
        "share": Float(0.0, 1.0, step=0.1),
        "kind": Choice(["a", None, [1, 2]]),
    },
    "pb2": {"lr": Float(1e-4, 1e-1, log=True), "momentum": Float(0.0, 0.99)},
}
KINDS = list(SPACES)


def trains(config, trial):
    yield {"loss": 0.0}


def experiment_of(kind, space=None, **changes):
    options = {"trials": NUM_TRIALS, "max_reports": FULL, "scheduler": {"type": kind, "interval": 2}}
    return Experiment(
        train=trains, space=space or SPACES[kind], metric="loss", checkpoints=True, **options | changes
    )


def drawn(space, seed):
    draws = random.Random(seed)
    pick = {Float: lambda d: draws.uniform(d.low, d.high), Int: lambda d: draws.randint(d.low, d.high)}

    def value(parameter):
        axis = Axis(parameter.name, parameter.domain)
        return draws.choice(axis.values) if axis.values else pick[type(parameter.domain)](parameter.domain)

    return [space.walk(value) for _ in range(NUM_TRIALS)]


def loss(params, step):
    """Best at a rate of 0.01."""
    return abs(math.log10(params["lr"]) + 2) + 1 / step


class Played:
    """A population that is played through; `order` says in which order the trials of a round report."""

    def __init__(self, experiment, order=range(NUM_TRIALS)):
        self.experiment = experiment
        self.population = Population(experiment)
        self.params = drawn(experiment.space, seed=0)
        for number, params in enumerate(self.params):
            self.population.on_start(number, params)
        self.rounds = [self.play(step, order) for step in range(2, FULL, 2)]

    def play(self, step, order):
        for number in order:
            decision = self.population.on_report(number, step, loss(self.params[number], step))
            assert decision.action is Action.PAUSE
            assert self.population.resume(is_last=True) is None, "not before all are there and saved"
            self.population.on_saved(number)
        found = [self.population.resume(is_last=True) for _ in range(NUM_TRIALS)]
        assert sorted(resume.number for resume in found) == list(range(NUM_TRIALS))
        before = list(self.params)
        for exploit in (resume for resume in found if isinstance(resume, Exploit)):
            self.params[exploit.number] = exploit.params
        return before, found


def exploits_of(played):
    return [
        (before, resume) for before, found in played.rounds for resume in found if isinstance(resume, Exploit)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_quarter_copies_the_best_quarter_and_comes_first(kind):
    played = Played(experiment_of(kind))
    assert len(exploits_of(played)) == 2 * len(played.rounds)
    for step, (before, found) in zip(range(2, FULL, 2), played.rounds, strict=True):
        assert [isinstance(resume, Exploit) for resume in found] == [True] * 2 + [False] * 6
        ranked = sorted(range(NUM_TRIALS), key=lambda number: loss(before[number], step))
        for exploit in found[:2]:
            worst = [loss(before[number], step) for number in ranked[-2:]]
            best = [loss(before[number], step) for number in ranked[:2]]
            assert loss(before[exploit.number], step) in worst
            assert loss(before[exploit.donor], step) in best


@pytest.mark.parametrize("kind", KINDS)
def test_new_values_stay_inside_their_domains(kind):
    played = Played(experiment_of(kind))
    for before, exploit in exploits_of(played):
        played.experiment.space.check(exploit.params)
        assert exploit.params.keys() == before[exploit.donor].keys()
    assert any(exploit.params != before[exploit.donor] for before, exploit in exploits_of(played))


@pytest.mark.parametrize("resample", [0.0, 1.0])
def test_pbt_multiplies_or_moves_to_a_neighbour_unless_it_draws_anew(resample):
    scheduler = {"type": "pbt", "interval": 2, "resample": resample}
    played = Played(experiment_of("pbt", scheduler=scheduler))
    shares, kinds = [round(0.1 * i, 1) for i in range(11)], ["a", None, "[1, 2]"]
    is_step = []
    for before, exploit in exploits_of(played):
        old, new = before[exploit.donor], exploit.params
        is_step.append(
            any(new["lr"] == pytest.approx(old["lr"] * factor) for factor in (0.8, 1.2))
            and new["units"] in {max(1, min(64, round(old["units"] * factor))) for factor in (0.8, 1.2)}
            and abs(shares.index(round(new["share"], 1)) - shares.index(round(old["share"], 1))) <= 1
            and abs(kinds.index(new["kind"]) - kinds.index(old["kind"])) <= 1
        )
    assert all(is_step) if resample == 0 else not all(is_step)


def test_a_factor_ends_at_the_end_of_the_range():
    space = {"lr": Float(9e-3, 1.1e-2, log=True)}
    experiment = experiment_of("pbt", space, scheduler={"type": "pbt", "interval": 2, "resample": 0.0})
    ends = {exploit.params["lr"] for _, exploit in exploits_of(Played(experiment))}
    assert ends <= {9e-3, 1.1e-2}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_run_whoever_comes_first_and_leaves_no_trace(kind):
    np.random.seed(0)
    outer = random.getstate(), np.random.get_state()[1].tolist()
    first, again = Played(experiment_of(kind)), Played(experiment_of(kind), list(range(NUM_TRIALS))[::-1])
    assert first.rounds == again.rounds
    assert (random.getstate(), np.random.get_state()[1].tolist()) == outer
    assert Played(experiment_of(kind, seed=1)).rounds != first.rounds


def test_new_values_that_break_a_rule_between_them_are_not_taken():
    tree = {
        "name": "small",
        "task": "tabular_classification",
        "data": {"source": {"type": "sklearn", "name": "iris"}},
        "model": {"type": "mlp"},
        # 60 is no multiple of 7, 8 and 9, which lie between what the experiment's checks look at.
        "train": {"epochs": FULL, "batch_size": 60, "micro_batch": {"int": [1, 10]}},
        "search": {"metric": "val/loss", "trials": 2, "scheduler": {"type": "pbt", "interval": 1}},
    }
    population = Population(Experiment.from_dict(tree))
    params = {"train.micro_batch": 6}
    for number in (0, 1):
        population.on_start(number, params)
    found = []
    for step in range(1, FULL):
        for number in (0, 1):
            population.on_report(number, step, float(number))
            population.on_saved(number)
        found.append(population.resume(is_last=True))
        assert population.resume(is_last=True) == Resume(0, f"goes on from report {step}")
    assert {60 % exploit.params["train.micro_batch"] for exploit in found} == {0}
    kept = [
        exploit for exploit in found if "with its parameters, for new ones broke a rule" in exploit.reason
    ]
    assert kept
    assert all(exploit.params == params for exploit in kept)


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Float(0.0, 1.0), [0.0, 0.3, 1.0]),
        (Float(1e-9, 1e-1, log=True), [1e-9, 3.3e-5, 1e-1]),
        (Float(0.0, 1.0, step=0.1), [0.0, 0.1 * 3, 1.0]),
        (Int(1, 9), [1, 4, 9]),
        (Int(16, 64, step=16), [16, 48, 64]),
        (Choice(["a", None, True, 0.5]), ["a", None, True, 0.5]),
    ],
)
@pytest.mark.parametrize("is_pb2", [False, True])
def test_a_code_gives_its_value_back(domain, values, is_pb2):
    [axis] = make_axes([Parameter("x", domain)], is_pb2=is_pb2).values()
    for value in values:
        found = axis.decode(axis.encode(value))
        assert type(found) is type(value)
        assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_codes_outside_are_drawn_to_the_nearest_end():
    assert [Axis("x", Float(0.1, 1.0)).decode(code) for code in (0.08, 1.2)] == [0.1, 1.0]
    assert [Axis("x", Int(2, 9)).decode(code) for code in (1, 10.8)] == [2, 9]
    assert [Axis("x", Float(1e-3, 1.0, log=True), True).decode(code) for code in (-50, 1)] == [1e-3, 1.0]


def test_values_between_two_rounds_go_on_and_not_finite_ones_stop():
    population = Population(experiment_of("pbt"))
    for number, params in enumerate(drawn(experiment_of("pbt").space, 0)):
        population.on_start(number, params)
    decision = population.on_report(0, 1, 1.0)
    assert (decision.action, decision.reason) == (Action.CONTINUE, "the population is compared at report 2")
    assert population.on_report(0, FULL, 1.0).reason == "nothing is copied at the last report"
    for value in (math.nan, math.inf):
        assert population.on_report(0, 2, value).action is Action.STOP


def test_the_population_goes_on_without_those_that_ended():
    population = Population(experiment_of("pbt"))
    for number, params in enumerate(drawn(experiment_of("pbt").space, 0)):
        population.on_start(number, params)
        if number > 2:
            population.on_finish(number)
    for number in (0, 1):
        population.on_report(number, 2, float(number))
        population.on_saved(number)
    assert population.resume(is_last=True) is None, "trial 2 still trains"
    population.on_finish(2)
    first, second = population.resume(is_last=True), population.resume(is_last=True)
    assert (first.number, first.donor, second) == (1, 0, Resume(0, "goes on from report 2"))


def test_one_that_begins_late_catches_up_before_any_is_compared():
    population = Population(experiment_of("pbt"))

    def wait(number, step):
        population.on_report(number, step, float(number))
        population.on_saved(number)
        return population.resume(is_last=True)

    population.on_start(0, drawn(experiment_of("pbt").space, 0)[0])
    assert wait(0, 2) == Resume(0, "goes on from report 2")
    population.on_start(1, drawn(experiment_of("pbt").space, 0)[1])
    assert wait(0, 4) is None
    assert wait(1, 2) == Resume(1, "catches up from report 2 with those at 4")
    exploit = wait(1, 4)
    assert (exploit.number, exploit.donor) == (1, 0)
    assert population.resume(is_last=True) == Resume(0, "goes on from report 4")


# --- with the conductor ---


def make(tmp_path, kind, num_gangs, num_trials=NUM_TRIALS):
    experiment = experiment_of(kind, trials=num_trials)
    searcher = ListedSearcher(drawn(experiment.space, 0)[:num_trials])
    paths = ExperimentPaths(tmp_path)
    paths.root.mkdir(exist_ok=True)
    conductor = Conductor(
        experiment,
        paths,
        searcher,
        Population(experiment),
        store_of=lambda data: tmp_path,
        num_gangs=num_gangs,
    )
    return conductor, searcher


def curve(params):
    return [loss(params, step) for step in range(1, FULL + 1)]


def lines_of(conductor, action):
    return [line for line in read_lines(conductor.paths.decisions) if line["action"] == action]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_gangs", [1, 3, 8])
def test_all_finish_on_any_number_of_gangs(tmp_path, kind, num_gangs):
    conductor, _ = make(tmp_path, kind, num_gangs)
    conduct(conductor, curve, num_gangs=num_gangs)
    assert {row.state for row in conductor.rows.values()} == {TrialState.COMPLETE}
    assert {row.reports for row in conductor.rows.values()} == {FULL}
    assert conductor.is_over
    assert len(lines_of(conductor, "EXPLOIT")) == 2 * (FULL // 2 - 1)


def test_a_run_does_not_depend_on_the_number_of_gangs(tmp_path):
    runs = []
    for num_gangs in (1, 3):
        conductor, _ = make(tmp_path / str(num_gangs), "pbt", num_gangs)
        conduct(conductor, curve, num_gangs=num_gangs)
        runs.append([(row.params, row.best) for row in conductor.rows.values()])
    assert runs[0] == runs[1]


def test_every_exploit_is_written_and_the_row_has_the_latest_parameters(tmp_path):
    conductor, searcher = make(tmp_path, "pbt", 2)
    first = [dict(params) for params in searcher._params]
    conduct(conductor, curve, num_gangs=2)
    params = dict(enumerate(first))
    for line in lines_of(conductor, "EXPLOIT"):
        assert line["old"] == params[line["trial"]]
        assert f"at report {line['report']}: goes on from trial {line['donor']}" in line["reason"]
        params[line["trial"]] = line["new"]
    assert {row.number: row.params for row in conductor.rows.values()} == params


def test_for_the_searcher_a_copy_ended_where_its_own_parameters_did(tmp_path):
    conductor, searcher = make(tmp_path, "pbt", 2)
    conduct(conductor, curve, num_gangs=2)
    ended = {}
    for line in lines_of(conductor, "EXPLOIT"):
        ended.setdefault(line["trial"], line["report"])
    assert 0 < len(ended) < NUM_TRIALS
    for number in range(NUM_TRIALS):
        is_copy = number in ended
        assert (searcher.ends[number][0] is TrialState.STOPPED) == is_copy
        steps = [step for trial, step, _ in searcher.reports if trial == number]
        assert steps == list(range(1, ended.get(number, FULL) + 1))


def test_a_diverging_trial_keeps_nobody_waiting(tmp_path):
    conductor, _ = make(tmp_path, "pbt", 3)
    bad = drawn(conductor.experiment.space, 0)[5]

    def diverging(params):
        return [1.0, math.nan, 1.0] if params == bad else curve(params)

    conduct(conductor, diverging, num_gangs=3)
    states = [row.state for row in conductor.rows.values()]
    assert states[5] is TrialState.DIVERGED
    assert set(states) - {TrialState.DIVERGED} == {TrialState.COMPLETE}


def test_a_space_with_fewer_points_than_trials_ends_too(tmp_path):
    conductor, searcher = make(tmp_path, "pbt", 2)
    searcher._params = searcher._params[:3]
    conduct(conductor, curve, num_gangs=2)
    assert [row.state for row in conductor.rows.values()] == [TrialState.COMPLETE] * 3
