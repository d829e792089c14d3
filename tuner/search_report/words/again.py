"""How to get the same again: commands, versions, seeds, the experiment file."""

import shlex
from collections.abc import Iterator

from tuner.records.rows import TrialRow
from tuner.search_report.outcome import Outcome
from tuner.search_report.words.parts import Listing, Section, Table, listed
from tuner.spec.reading import write_text


def again(outcome: Outcome) -> Section:
    winner = _winner(outcome)
    listings = [Listing("Commands", "\n".join(_commands(outcome)))]
    if winner is not None:
        params = write_text(dict(winner.params)).rstrip()
        listings.append(Listing(f"Trial {winner.number} exactly, as search.points takes it", params))
    listings.append(Listing("The experiment file, as resolved", outcome.file.rstrip()))
    sentences, tables = _sentences(outcome, winner), _versions(outcome)
    return Section("How to get it again", tuple(sentences), tuple(tables), tuple(listings))


def _sentences(outcome: Outcome, winner: TrialRow | None) -> Iterator[str]:
    seeds = [str(row.seed) for row in outcome.fresh if winner is not None and row.confirms == winner.number]
    fresh = f"; the fresh runs of trial {winner.number} had {listed(seeds)}" if winner and seeds else ""
    yield f"The search's seed is {outcome.settings['search'].get('seed')}{fresh}."
    yield (
        "Where several trials train at once, they report in another order each time, and what is proposed "
        "next may be another configuration."
    )
    if outcome.is_function:
        yield (
            f"The function that trained, {outcome.settings['function']}, is not kept in the folder: such a "
            "search is started from Python."
        )


def _commands(outcome: Outcome) -> Iterator[str]:
    folder = shlex.quote(outcome.folder)
    command = (outcome.environment or {}).get("command")
    if isinstance(command, list) and command:
        # A line end would begin a line that is no comment.
        yield f"# it was started by: {' '.join(shlex.join(map(str, command)).split())}"
    if outcome.standing == "interrupted" and not outcome.is_function:
        yield f"tuner resume {folder}"
    if not outcome.is_function:
        name = shlex.quote(f"{outcome.name}_again")
        yield f"tuner run {folder}/experiment.yaml --name {name}"
        yield f"tuner best {folder} --export best"
    yield f"tuner dashboard {folder}"


def _winner(outcome: Outcome) -> TrialRow | None:
    """The confirmed one, or else the best trial of the search."""
    confirmed = outcome.confirmation and outcome.confirmation.winner
    if not confirmed:
        return next(iter(outcome.ranked), None)
    return next(row for row in outcome.rows if row.number == confirmed.number)


def _versions(outcome: Outcome) -> Iterator[Table]:
    if outcome.environment is None:
        return
    facts = {
        "started": "started",
        "python": "python",
        "platform": "platform",
        "host": "host",
        "cpus": "CPUs",
        "git_commit": "git commit of the working directory",
    }
    found = {name: outcome.environment.get(key) for key, name in facts.items()}
    found |= outcome.environment.get("packages") or {}
    yield Table(("ran on", ""), tuple((name, str(value)) for name, value in found.items() if value))
