"""The report in words: pure functions from an `Outcome` to sections, in the order in which people ask.

for section in sections(outcome):
    section.title, section.sentences, section.tables, section.listings
"""

from tuner.search_report.outcome import Outcome
from tuner.search_report.words.again import again
from tuner.search_report.words.failed import failed
from tuner.search_report.words.mattered import mattered
from tuner.search_report.words.parts import Section
from tuner.search_report.words.saved import saved
from tuner.search_report.words.searched import searched
from tuner.search_report.words.won import won


def sections(outcome: Outcome) -> list[Section]:
    if not outcome.rows:
        return [searched(outcome), again(outcome)]
    told = (won, searched, mattered, saved, failed, again)
    return [tell(outcome) for tell in told]
