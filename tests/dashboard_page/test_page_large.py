"""The page with 1,000 and 10,000 trials: every view is opened, brushed, filtered, shared, used by keys."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from looking import Looker

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

Open = Callable[..., Looker]
SIZES = (1_000, 10_000)
SEARCH = (".card-parallel", ".card-curves", ".card-scatter", ".card-history")
LATER = {"why": (".card-slice", ".card-cells"), "scheduling": (".card-rungs", ".card-timeline")}


@pytest.fixture(scope="module", params=SIZES)
def large(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    served: Callable[[Path], Iterator[str]],
) -> Iterator[tuple[str, int]]:
    """Where a search of so many trials of at most 100 reports is shown, and how many there are by now."""
    root = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        maker = importlib.import_module("make_results")
        sizes = {"reports": 100, "gangs": 16, "seed": 0}
        maker.make(root / "large", trials=request.param, full=False, done=False, **sizes)
    num_trials = len((root / "large" / "trials.csv").read_text().splitlines()) - 1
    for address in served(root):
        yield address, num_trials


def test_every_view_is_drawn_of_all_trials(look: Open, large: tuple[str, int]) -> None:
    address, num_trials = large
    looker = look("/e/large#curves=all", at=address)
    assert looker.shown() == num_trials
    assert all(looker.ink(plot)[1] > 5000 for plot in SEARCH)
    for tab, cards in LATER.items():
        looker.page.get_by_role("tab", name=tab.capitalize()).click()
        for card in cards:
            looker.page.locator(f"{card} canvas").first.wait_for()
        looker.settle()
        assert all(looker.ink(card)[1] > 1000 for card in cards)


def test_a_brush_and_an_expression_reach_every_view_and_are_in_the_address(
    look: Open, large: tuple[str, int]
) -> None:
    address, num_trials = large
    looker = look("/e/large", at=address)
    before = looker.ink(".card-scatter")[1]
    last = 1 - 0.5 / looker.page.locator(".axis-head").count()
    looker.drag(".card-parallel .plot-surface", (last, 0.02), (last, 0.3))
    brushed = looker.shown()
    assert 0 < brushed < num_trials
    assert looker.ink(".card-scatter")[1] < before
    looker.page.locator("#expression").fill("reports >= 100")
    looker.settle()
    assert 0 < looker.shown() < brushed
    looker.page.wait_for_url("**reports**")
    other = look("/" + looker.page.url.split("/", 3)[3], at=address)
    assert other.shown() == looker.shown()
    assert other.page.locator(".chip").all_inner_texts() == looker.page.locator(".chip").all_inner_texts()


def test_the_table_is_sorted_and_goes_by_keys_to_its_end(look: Open, large: tuple[str, int]) -> None:
    address, num_trials = large
    looker = look("/e/large", at=address)
    assert looker.page.locator(".card-table .grid-row").count() < 100
    looker.page.locator(".card-table").get_by_role("button", name="dropout", exact=True).click()
    looker.settle()
    looker.page.locator(".card-table .grid-row[tabindex='0']").focus()
    looker.press("End")
    focused = looker.page.evaluate("document.activeElement.getAttribute('aria-rowindex')")
    assert int(focused) == num_trials + 1
    looker.press("Enter")
    assert looker.text(".panel h2").startswith("Trial ")
