"""What the page's modules compute, in the browser that will run them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from looking import Looker

pytestmark = pytest.mark.browser

TRIALS = """
const { Trials } = await import("/page/js/columns.js");
const trials = new Trials(
  ["number", "state", "param/opt", "param/opt.a.lr", "param/opt.b.lr", "best/val/loss"],
  {
    number: [0, 1, 2, 3],
    state: ["COMPLETE", "STOPPED", "COMPLETE", "FAILED"],
    "param/opt": ["a", "b", "a", "b"],
    "param/opt.a.lr": [0.1, null, 0.001, null],
    "param/opt.b.lr": [null, 0.5, null, 0.05],
    "best/val/loss": [0.3, 0.2, 0.9, null],
  },
  [],
);
"""


@pytest.fixture(scope="module")
def run(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Runs the body of an async function of the argument `given`."""
    looker = Looker(browser, address)
    looker.open("/")

    def run_(body: str, given: Any = None) -> Any:
        return looker.page.evaluate(f"async (given) => {{ {body} }}", given)

    yield run_
    looker.close()


@pytest.mark.parametrize(
    ("expression", "passing"),
    [
        ("state == COMPLETE", [0, 2]),
        ("a.lr < 0.01", [2]),
        ("val/loss <= 0.3 and not (state = STOPPED)", [0]),
        ("opt in (a, 'c') or val/loss is absent", [0, 2, 3]),
        ("opt.b.lr is present and b.lr != .5", [3]),
        ("state ~ 'plet' and number >= 1e0", [2]),
        ('param/opt == "b"', [1, 3]),
    ],
)
def test_an_expression_keeps(run: Callable[..., Any], expression: str, passing: list[int]) -> None:
    body = (
        TRIALS
        + """
    const { compile } = await import("/page/js/expression.js");
    return [0, 1, 2, 3].filter(compile(given, trials));"""
    )
    assert run(body, expression) == passing


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("lr < 1", '"lr" may be param/opt.a.lr or param/opt.b.lr'),
        ("stat == COMPLETE", 'did you mean "state"?'),
        ("a.lr < high", 'so "high" must be one'),
        ("state < COMPLETE", '"COMPLETE" is none'),
        ("(state == COMPLETE", 'Expected ")" at the end'),
        ("state", 'Expected <, <=, >, >=, ==, !=, ~, "in" or "is" at the end'),
        ("state ==", "Expected a value at the end"),
        ("state == a b", 'before "b"'),
        ("opt is gone", 'After "is" comes'),
        ("and", "Expected the name of a column"),
        ("state == 'open", "a quote may be open"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(
    run: Callable[..., Any], expression: str, message: str
) -> None:
    body = (
        TRIALS
        + """
    const { compile } = await import("/page/js/expression.js");
    try { compile(given, trials); } catch (error) { return error.message; }"""
    )
    assert message in run(body, expression)


def test_filters_come_back_from_the_address(run: Callable[..., Any]) -> None:
    body = """
    const { caughtFilter, decode, encode, labelFilter, rangeFilter } = await import("/page/js/filters.js");
    const filters = [
      rangeFilter("a", 2, 1), rangeFilter("a", 1, 2, true),
      labelFilter("b", ["x", "y|,"], true), caughtFilter([7, 1, 2, 3]),
    ];
    return [filters, filters.map(encode).map(decode)];"""
    sent, received = run(body)
    assert sent == received
    assert run('return (await import("/page/js/filters.js")).runs([7, 1, 3, 2])') == "1-3,7"


@pytest.mark.parametrize("text", ["", "{", "[]", "[1,2]", '["a","b"]', '["a",1]', "null"])
def test_what_is_no_filter_is_none(run: Callable[..., Any], text: str) -> None:
    assert run('return (await import("/page/js/filters.js")).decode(given)', text) is None


def test_absent_values_sort_last_and_new_rows_are_added(run: Callable[..., Any]) -> None:
    body = (
        TRIALS
        + """
    const before = trials.sorted("best/val/loss", true);
    trials.patch(["number", "best/val/loss", "note"], {
      number: [3, 9], "best/val/loss": [0.95, 0.1], note: ["late", null],
    });
    const after = trials.sorted("best/val/loss", true);
    return [before, after, trials.size, trials.column("note").text(3), trials.column("state").raw[4]];"""
    )
    assert run(body) == [[2, 0, 1, 3], [3, 2, 0, 1, 4], 5, "late", None]


def test_changed_rows_are_whole_and_columns_of_notes_go_with_the_last_note(run: Callable[..., Any]) -> None:
    body = (
        TRIALS
        + """
    const columns = ["number", "state", "param/opt.a.lr"];
    const row = { number: [0], state: ["COMPLETE"], "param/opt.a.lr": [0.1] };
    trials.patch([...columns, "tags", "note"], { ...row, tags: ["odd"], note: [null] });
    const noted = [trials.has("tags"), trials.has("note")];
    trials.patch(columns, row);
    const is_left = [trials.has("tags"), trials.names.includes("tags")];
    return [noted, is_left, trials.column("best/val/loss").raw[0]];"""
    )
    assert run(body) == [[True, False], [False, False], None]


def test_short_names_tell_apart(run: Callable[..., Any]) -> None:
    body = 'return [...(await import("/page/js/format.js")).shortNames(given).values()]'
    names = ["param/train.sgd.lr", "param/train.adam.lr", "param/model.depth", "best/val/loss"]
    assert run(body, names) == ["sgd.lr", "adam.lr", "depth", "best val/loss"]


def test_ticks_lie_in_range_at_round_values(run: Callable[..., Any]) -> None:
    body = """
    const { linear, log } = await import("/page/js/scales.js");
    const values = (scale, count) => scale.ticks(count).map(({ value }) => value);
    return [values(linear(0, 1), 5), values(linear(1, 3, true), 8), values(log(0.001, 10), 4)];"""
    assert run(body) == [[0, 0.2, 0.4, 0.6, 0.8, 1], [1, 2, 3], [0.001, 0.01, 0.1, 1, 10]]


def test_smoothing_keeps_gaps_and_does_not_lean_on_the_first_value(run: Callable[..., Any]) -> None:
    body = """
    const { smooth } = await import("/page/js/curve_data.js");
    const smoothed = [...smooth(Float64Array.of(1, 1, NaN, 1, 3), 0.5)];
    return smoothed.map((each) => Number.isNaN(each) ? null : each);"""
    *first, last = run(body)
    assert first == [1, 1, None, 1]
    assert 1 < last < 3


def test_later_points_take_the_place_of_those_from_their_step_on(run: Callable[..., Any]) -> None:
    body = """
    const { Curves } = await import("/page/js/curve_data.js");
    const fields = [[1, 2, 3], [0, 1, 2], [9, 8, 7]].map((each) => Float64Array.from(each));
    const curves = new Curves([4], [3], ...fields, false);
    curves.append(4, { from_step: 2, step: [2, 4], time_s: [5, 6], value: [6, null] });
    curves.append(5, { from_step: null, step: [1], time_s: [0], value: [1] });
    const [old, added] = [curves.of(4), curves.of(5)];
    return [[...old.step], [...old.value].map(String), [...added.step], curves.of(6)];"""
    assert run(body) == [[1, 2, 4], ["9", "6", "NaN"], [1], None]


def test_bins_are_even_on_the_axis_and_few_values_have_one_each(run: Callable[..., Any]) -> None:
    body = """
    const { binsOf } = await import("/page/js/bins.js");
    const { log } = await import("/page/js/scales.js");
    const column = (...values) => ({ labels: null, values: Float64Array.from(values) });
    const all = column(...Array.from({ length: 21 }, (_, each) => 10 ** (each / 10)), NaN);
    const even = binsOf(all, log(1, 100), 4);
    const few = binsOf(column(16, 64, 256, 16), log(16, 256));
    return [
      [1, 2, 5, 20, 50, 100, 0.5, 200, NaN].map(even.of), even.ends(1).map(Math.round), even.text(3),
      few.count, [16, 31, 33, 64, 256].map(few.of), few.text(1),
    ];"""
    even, ends, text, *few = run(body)
    assert even == [0, 0, 1, 2, 3, 3, -1, -1, -1]
    assert ends == [3, 10]
    assert text == "31.6 – 100"
    assert few == [3, [0, 0, 1, 1, 2], "64"]


def test_quartiles_lie_between_neighbours_in_proportion(run: Callable[..., Any]) -> None:
    body = """
    const { quartiles } = await import("/page/js/bins.js");
    return [[4, 1, 3, 2], [7], [1, 2, 3, 4, 5]].map(quartiles);"""
    assert run(body) == [[1.75, 2.5, 3.25], [7, 7, 7], [2, 3, 4]]


COST = """
const { Trials } = await import("/page/js/columns.js");
const { costOf } = await import("/page/js/cost.js");
const trials = new Trials(
  ["number", "state", "reports", "seconds", "gpu_seconds", "confirms"],
  {
    number: [0, 1, 2, 3],
    state: ["COMPLETE", "STOPPED", "RUNNING", "COMPLETE"],
    reports: [10, 2, 4, 10],
    seconds: [100, 30, 40, 90],
    gpu_seconds: given,
    confirms: [null, null, null, 0],
  },
  [],
);
const laps = [
  { gang: 0, from_s: 0, to_s: 100 },
  { gang: 1, from_s: 0, to_s: 30 },
  { gang: 1, from_s: 80, to_s: null },
];
return costOf(trials, laps, 10);
"""


def test_what_a_search_took_and_what_its_trials_would_have_taken_whole(run: Callable[..., Any]) -> None:
    found = run(COST, [None, None, None, None])
    assert found == {"unit": "gang", "spent_s": 260, "ended_s": 130, "whole_s": 250, "busy": 0.75}
    found = run(COST, [200, 60, 80, 180])
    assert found == {"unit": "GPU", "spent_s": 520, "ended_s": 260, "whole_s": 500, "busy": 0.75}


@pytest.mark.parametrize(
    ("axis", "places"),
    [
        ("step", [[1, 2], [1, 2]]),
        ("epoch", [[2, 3], [1, 2]]),
        ("time", [[0, 4], [0, 4]]),
        ("gpu", [[5, 10], None]),
        ("none of these", [[1, 2], [1, 2]]),
    ],
)
def test_a_curve_is_drawn_over(run: Callable[..., Any], axis: str, places: list[list[int] | None]) -> None:
    body = """
    const { CurvesPlot } = await import("/page/js/curves.js");
    const { Trials } = await import("/page/js/columns.js");
    const data = {
      number: [0, 1],
      reports: [2, 2],
      gpu_seconds: [10, null],
      "param/train.validate_every": [null, 1],
    };
    const curve = { step: [1, 2], time: [60, 64], value: [0.5, 0.4] };
    const plot = Object.assign(Object.create(CurvesPlot.prototype), {
      data: { of: () => curve },
      store: {
        view: { x: given, smoothing: 0 },
        detail: { settings: { train: { epochs: 3, validate_every: 2 } } },
        trials: new Trials(Object.keys(data), data, []),
      },
    });
    return [0, 1].map((row) => plot.curve(row)?.x ?? null);"""
    assert run(body, axis) == places


PLANE = """
const { squaresOf, squareAt, paintContours } = await import("/page/js/dependence.js");
const { SvgContext } = await import("/page/js/svg_context.js");
const plot = { px: (x) => 100 * x, py: (y) => 300 - 100 * y };
const numbers = { labels: null };
const choices = { labels: ["a", "b"] };
"""


def test_contours_run_where_the_levels_are(run: Callable[..., Any]) -> None:
    """Of a slope of 10 from left to right a level is a straight line from bottom to top, at its value."""
    body = """
    const values = [0, 1, 2, 3];
    const told = { parameters: [{ values }, { values }], mean: values.map((x) => values.map(() => 10 * x)) };
    told.spread = told.mean;
    const squares = squaresOf(plot, [numbers, numbers], told);
    const context = new SvgContext();
    paintContours(context, squares, false);
    const strokes = [...context.element.querySelectorAll("path[fill=none]")];
    const lines = strokes.map((path) => path.getAttribute("d"));
    const texts = [...context.element.querySelectorAll("text")].map((text) => text.textContent);
    return { count: squares.length, at: squareAt(squares, 190, 110), lines, texts: [...new Set(texts)] };"""
    found = run(PLANE + body)
    assert found["count"] == 9
    assert found["at"] == {"mean": 20, "spread": 20}
    levels = [line for line in found["lines"] if line.count("L") == 3]
    places = [{piece.split()[0].split("L")[0] for piece in line[1:].split("M")} for line in levels]
    assert {place for each in places for place in each} == {"50", "100", "150", "200", "250"}
    assert found["texts"] == ["5", "10", "15", "20", "25"]


def test_options_are_blocks_and_what_no_trial_can_have_is_empty(run: Callable[..., Any]) -> None:
    body = """
    const told = { parameters: [{ values: ["b", "a"] }, { values: [0, 1] }], mean: [[null, null], [1, 1]] };
    told.spread = told.mean;
    const squares = squaresOf(plot, [choices, numbers], told);
    return squares.map(([low, , high]) => [low.x, high.x, low.value]);"""
    assert run(PLANE + body) == [[-50, 50, 1]]


def test_a_text_is_broken_at_spaces_and_cut(run: Callable[..., Any]) -> None:
    body = """
    const { wrapped } = await import("/page/js/canvas.js");
    const context = { measureText: (text) => ({ width: text.length }) };
    return given.map(([text, width, most]) => wrapped(context, text, width, most));"""
    given = [["aa bb cc", 5, 9], ["aaaaaaa b", 3, 9], ["a\n\nb", 5, 9], ["aa bb cc dd", 5, 1], ["", 5, 9]]
    assert run(body, given) == [["aa bb", "cc"], ["aaa", "aaa", "a b"], ["a", "", "b"], ["aa b…"], []]


def test_a_metric_has_its_unit(run: Callable[..., Any]) -> None:
    body = """
    const { measured } = await import("/page/js/format.js");
    return [...given, ["a_bytes", NaN]].map(([name, value]) => measured(name, value));"""
    given = [["system/peak_memory_bytes", 5.5e8], ["system/cpu_percent", 99.96], ["val/loss", 0.25]]
    assert run(body, given) == ["550 MB", "100 %", "0.25", "–"]


def test_what_no_xml_may_have_is_left_out_of_a_file(run: Callable[..., Any]) -> None:
    body = """
    const { writing } = await import("/page/js/canvas.js");
    const { svgFile } = await import("/page/js/svg_context.js");
    const context = writing();
    context.fillText("a\\u0001b\\uffff", 0, 0);
    const text = await svgFile(10, 10, context.element).text();
    const found = new DOMParser().parseFromString(text, "image/svg+xml");
    return [found.querySelector("parsererror") === null, found.querySelector("text").textContent];"""
    assert run(body) == [True, "a\ufffdb\ufffd"]
