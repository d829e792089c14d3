"""What a report says, without its page."""

from dataclasses import replace

import pytest
from outcomes import LR, OPTIMIZER, SETTINGS, fresh, outcome, row

from tuner.records.states import TOLD_TO_STOP
from tuner.search_report.answers import Kept, Packed
from tuner.search_report.words import sections
from tuner.search_report.words.again import again
from tuner.search_report.words.failed import failed
from tuner.search_report.words.held import held
from tuner.search_report.words.mattered import mattered
from tuner.search_report.words.parts import Section, duration, listed, named, number, share
from tuner.search_report.words.saved import saved
from tuner.search_report.words.searched import searched
from tuner.search_report.words.won import won
from tuner.spec.sections import ConfirmSpec


def text(section: Section) -> str:
    return " ".join(section.sentences)


def lines(section: Section, index: int = 0) -> list[tuple[str, ...]]:
    return list(section.tables[index].rows)


def test_the_sections_come_in_the_order_in_which_people_ask() -> None:
    titles = [section.title for section in sections(outcome([row(0, value=0.5)]))]
    assert titles == [
        "What won",
        "What was searched",
        "What mattered",
        "What early stopping saved",
        "What failed",
        "How to get it again",
    ]


def test_without_trials_it_says_what_will_be_searched_and_how() -> None:
    told = sections(outcome([], standing="interrupted", search_s=None))
    assert [section.title for section in told] == ["What was searched", "How to get it again"]
    assert "No trial has begun yet" in text(told[0])
    assert "was interrupted and can go on" in text(told[0])


# --- searched ---


def test_what_was_searched_has_budget_states_data_and_space() -> None:
    rows = [row(0, value=0.5), row(1, "STOPPED", 0.4, reports=1), fresh(2, 0, 0.5, seed=3)]
    section = searched(outcome(rows))
    assert section.sentences == (
        "by_hand looked for the highest val/accuracy over 3 parameters: 8 trials were asked for, each of at "
        "most 9 reports.",
        "The search has ended after 10 min.",
        "2 trials began: 1 COMPLETE and 1 STOPPED. All trials and 1 fresh run together took 3.17 min.",
    )
    facts = dict(lines(section))
    assert facts["data"] == "sklearn (name digits)"
    assert facts["model"] == "cnn"
    assert facts["scheduler"] == "asha (factor 3)"
    assert lines(section, 1) == [
        (LR, "0.0001 to 1, log", ""),
        (OPTIMIZER, "adam, sgd", ""),
        ("train.momentum", "0 to 0.9", f"{OPTIMIZER} is sgd"),
    ]


def test_a_search_that_runs_is_a_picture_of_now() -> None:
    assert "still runs after 10 min; this is a picture of 2026-01-02 03:04 UTC" in text(
        searched(outcome([row(0, "RUNNING")], standing="running"))
    )


def test_why_a_search_ended_early_is_said() -> None:
    section = searched(outcome([row(0)], end_reason="2 hours are over"))
    assert "has ended after 10 min: 2 hours are over." in text(section)


# --- won ---

CONFIRM = ConfirmSpec(top=2, seeds=2)
CONFIRMED = [
    row(0, value=0.5, reports=3),
    row(1, value=0.9),
    row(2, value=0.8),
    fresh(3, 1, 0.70, seed=11),
    fresh(4, 1, 0.72, seed=12),
    fresh(5, 2, 0.80, seed=13),
    fresh(6, 2, 0.84, seed=14),
]


def test_a_confirmed_winner_is_told_by_its_fresh_runs_with_their_error() -> None:
    section = won(outcome(CONFIRMED, CONFIRM))
    first, told, runner_up, base = section.sentences
    assert first == (
        "Trial 2 won: val/accuracy 0.82 ± 0.02 (mean and standard error of 2 fresh runs); "
        "in the search it had 0.8."
    )
    assert told.startswith("Trial 2 is confirmed; trial 1 is the runner-up")
    assert "the search's best value, 0.9 of trial 1, was 0.19 too good." in told
    assert runner_up == "Its lead over trial 1, the runner-up, is 0.11 ± 0.022."
    assert base == (
        "Trial 0, the first that was tried, has 0.5 in a single run of 3 of 9 reports: 0.32 worse."
    )
    assert lines(section)[0] == ("2", "0.82 ± 0.02", "0.8", "-0.02", "2")
    assert section.tables[1].columns == ("parameter", "trial 2", "trial 1", "trial 0")


def test_single_fresh_runs_have_no_error() -> None:
    rows = [row(0, value=0.9), row(1, value=0.8), fresh(2, 0, 0.7, seed=1), fresh(3, 1, 0.6, seed=1)]
    section = won(outcome(rows, ConfirmSpec(top=2, seeds=1)))
    assert "val/accuracy 0.7 (1 fresh run)" in section.sentences[0]
    assert "is 0.1; single runs do not tell how sure that is." in section.sentences[2]


def test_a_winner_by_a_single_run_is_called_that() -> None:
    section = won(outcome([row(0, value=0.4), row(1, value=0.6), row(2, value=0.55)]))
    assert section.sentences == (
        "Trial 1 has the best val/accuracy: 0.6, in a single run.",
        "Trial 2, the next best, is 0.05 behind.",
        "Trial 0, the first that was tried, has 0.4 in a single run: 0.2 worse.",
        "The best of 3 single runs looks better than it is, and nobody can tell by how much: no fresh runs "
        "were asked for (confirm).",
    )


def test_while_fresh_runs_are_missing_nobody_is_confirmed() -> None:
    section = won(outcome(CONFIRMED[:5], CONFIRM))
    assert "in a single run" in section.sentences[0]
    assert "Not confirmed: 2 of 4 fresh runs are there" in text(section)


def test_the_lowest_wins_where_less_is_better() -> None:
    section = won(outcome([row(0, value=0.4), row(1, value=0.6)], search={"mode": "min"}))
    assert section.sentences[0].startswith("Trial 0 has the best val/accuracy: 0.4")
    assert "Trial 1, the next best, is 0.2 behind." in text(section)


def test_ones_own_first_point_is_what_the_winner_is_compared_with() -> None:
    rows = [row(0, "FAILED"), row(1, value=0.6)]
    section = won(outcome(rows, search={"points": [{LR: 0.1}]}))
    assert "Trial 0, the first of your own points, is FAILED and has no value" in text(section)


def test_without_a_value_none_has_won() -> None:
    assert won(outcome([row(0, "FAILED")])).sentences == (
        "No trial has a finite val/accuracy, so none has won.",
    )


def test_several_objectives_have_a_front() -> None:
    rows = [row(0, value=0.9), row(1, value=0.8), row(2, value=0.7)]
    for each, loss in zip(rows, (0.5, 0.3, 0.4), strict=True):
        each.objectives = each.best | {"val/loss": loss}
    section = won(outcome(rows, search={"also": {"val/loss": "min"}}))
    assert "no other trial beats any of these 2 in all of them" in text(section)
    assert section.tables[-1].rows == (("0", "0.9", "0.5"), ("1", "0.8", "0.3"))


# --- mattered ---


def test_what_mattered_has_shares_with_spread_and_where_the_best_lie() -> None:
    rows = [row(number, value=0.5 + number / 100) for number in range(30)]
    importances = [
        {"name": LR, "importance": 0.812, "spread": 0.05},
        {"name": OPTIMIZER, "importance": 0.188, "spread": 0.02},
    ]
    section = mattered(outcome(rows, importance={"importances": importances, "n": 30, "note": None}))
    assert f"By PED-ANOVA over 30 trials, the best differ from all most in {LR} (81 ± 5 %)" in text(section)
    assert lines(section) == [
        (LR, "81 ± 5 %", "0.0001 to 1, log", "0.28 to 0.3, median 0.29"),
        (OPTIMIZER, "19 ± 2 %", "adam, sgd", "adam (100 %)"),
    ]
    assert "a wider range" not in text(section)


def test_the_best_at_an_end_ask_for_a_wider_range() -> None:
    rows = [row(number, value=0.5, params={LR: 0.9, OPTIMIZER: "sgd"}) for number in range(4)]
    importances = [{"name": LR, "importance": 1.0, "spread": 0.0}]
    section = mattered(outcome(rows, importance={"importances": importances, "n": 4, "note": None}))
    assert f"The best trials lie at the upper end of {LR} (1): a wider range" in text(section)


def test_too_few_trials_tell_nothing_of_parameters() -> None:
    assert "cannot be told: importances need 20 trials." in text(mattered(outcome([row(0, value=0.5)])))


# --- saved ---


def test_what_was_saved_is_told_apart_from_what_failed() -> None:
    rows = [
        row(0, value=0.9),
        row(1, "STOPPED", 0.5, reports=1),
        row(2, "STOPPED", 0.6, reports=3),
        row(3, "DIVERGED", reports=3),
        row(4, "RUNNING", reports=2),
        fresh(5, 0, 0.9, seed=1),
    ]
    section = saved(outcome(rows))
    assert section.sentences == (
        "The 4 trials that ended trained 16 of the 36 reports of whole trainings: 56 % was not spent, 39 % "
        "as the scheduler cut 2 trials and 17 % as 1 trial diverged, failed or did not fit.",
        "That is 2.67 min of trial time where whole trainings would have taken about 6 min, at the pace of "
        "each trial.",
        "Confirming took 1 fresh run with 9 reports on top.",
    )
    assert lines(section) == [("1", "1"), ("3", "1")]


def test_who_ended_a_trial_early() -> None:
    end = "2 hours are over"
    rows = [
        row(0, reports=4),
        row(1, "STOPPED", reports=1, reason="the worst at report 1"),
        row(2, "STOPPED", reports=0, reason=end),
        row(3, "STOPPED", reports=5, reason=TOLD_TO_STOP),
        row(4, reports=9),
        row(5, "STOPPED", reports=7, reason="the worst at report 7", donor=4),
    ]
    section = saved(outcome(rows, end_reason=end))
    assert section.sentences[0] == (
        "The 5 trials that ended trained 19 of the 45 reports of whole trainings: 58 % was not spent, 18 % "
        "as the scheduler cut 1 trial, 11 % as a rule of the training ended 1 trial, 20 % as the search "
        "ended before 1 trial and 9 % as somebody stopped 1 trial."
    )
    assert section.tables[0].rows == (("1", "1"),)


def test_the_command_that_started_it_is_one_comment() -> None:
    environment = {"command": ["tuner", "run", "x\ntouch here #"]}
    [commands, *_] = again(outcome([row(0, value=0.9)], environment=environment)).listings
    assert commands.text.splitlines()[0].startswith("# it was started by: tuner run 'x touch here #'")


def test_without_cuts_nothing_was_saved() -> None:
    section = saved(outcome([row(0, value=0.9)]))
    assert "0 % was not spent. No trial was cut by the scheduler." in section.sentences[0]
    assert section.tables == ()


def test_without_a_length_nobody_knows_what_was_saved() -> None:
    assert "nobody can tell" in text(saved(outcome([row(0)], max_reports=None)))


def test_while_nothing_has_ended_nothing_is_saved_yet() -> None:
    assert text(saved(outcome([row(0, "RUNNING")]))) == "No trial has ended yet."


# --- failed ---


def test_failures_of_one_reason_stand_together_whatever_their_numbers() -> None:
    rows = [
        row(0, "FAILED", reason="rank 1 was killed by signal 9"),
        row(1, "FAILED", reason="rank 0 was killed by signal 9", retries=2),
        row(2, "DIVERGED", reason="nan at report 3 is not finite"),
        row(3, value=0.5),
    ]
    section = failed(outcome(rows))
    assert section.sentences == (
        "3 of 4 trials (75 %) did not end well: 2 failed and 1 diverged.",
        "1 trial began again after a fault, 2 times in all.",
    )
    assert lines(section) == [
        ("FAILED", "2", "rank 1 was killed by signal 9 (and the like)", "0, 1"),
        ("DIVERGED", "1", "nan at report 3 is not finite", "2"),
    ]


def test_many_reasons_are_cut() -> None:
    rows = [row(number, "FAILED", reason="x" * (number + 1)) for number in range(25)]
    section = failed(outcome(rows))
    assert len(lines(section)) == 20
    assert "5 trials more for other reasons" in text(section)


def test_no_failure_is_said_too() -> None:
    assert text(failed(outcome([row(0)]))) == "No trial failed, diverged or broke a constraint."


# --- again ---


def test_it_says_how_to_get_the_same_again() -> None:
    section = again(outcome(CONFIRMED, CONFIRM, folder="my results/by_hand"))
    commands, params, file = section.listings
    assert "# it was started by: tuner run 'a b.yaml'" in commands.text
    assert "tuner run 'my results/by_hand'/experiment.yaml --name by_hand_again" in commands.text
    assert params.text == "{train.lr: 0.03, train.optimizer: adam}"
    assert file.text == "name: by_hand"
    assert "The search's seed is 7; the fresh runs of trial 2 had 13 and 14." in text(section)
    assert ("torch", "2.6") in lines(section)


def test_a_function_is_started_from_python() -> None:
    given = outcome([row(0)], environment=None)
    section = again(replace(given, settings=SETTINGS | {"function": "my:train"}))
    assert "my:train, is not kept" in text(section)
    assert section.listings[0].text == "tuner dashboard results/by_hand"
    assert section.tables == ()


def test_an_interrupted_search_goes_on() -> None:
    section = again(outcome([row(0, "PAUSED")], standing="interrupted"))
    assert "tuner resume results/by_hand" in section.listings[0].text


# --- held ---


def test_what_was_left_out_of_the_file_is_said() -> None:
    kept = (Kept("val/loss", 10, 10), Kept("train/loss", 100, 20), Kept("system/memory", 9, 0))
    section = held(Packed({}, kept, 12_000, 4_000), "results/by_hand")
    assert "Curves of val/loss are whole." in text(section)
    assert "Curves of 1 tag are thinned evenly" in text(section)
    assert "Curves of system/memory are left out." in text(section)
    assert "8,000 of 12,000 decisions are left out" in text(section)
    assert lines(section) == [("train/loss", "100", "20"), ("system/memory", "9", "0")]


# --- parts ---


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.25, "0.25 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h"), (864_000, "10 days")],
)
def test_durations_read_well(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_numbers_and_lists_read_well() -> None:
    assert [number(0.98765), number(1_234_567.0), number(None)] == ["0.9877", "1,234,567", "–"]
    assert [share(0), share(0.001), share(0.724)] == ["0 %", "less than 1 %", "72 %"]
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"])] == ["", "a", "a, b and c"]
    assert named(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
