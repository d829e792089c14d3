import pickle

import pytest

from tuner.errors import ExperimentError
from tuner.spec import Choice, Float, Int
from tuner.spec.domains import from_plain, to_plain

PLAIN = [
    (Float(0, 1), {"float": [0.0, 1.0]}),
    (Float(1e-5, 1e-1, log=True), {"float": [1e-5, 1e-1], "log": True}),
    (Float(0, 0.3, step=0.1), {"float": [0.0, 0.3], "step": 0.1}),
    (Int(1, 9), {"int": [1, 9]}),
    (Int(1, 1024, log=True), {"int": [1, 1024], "log": True}),
    (Int(1, 9, step=2), {"int": [1, 9], "step": 2}),
    (Choice(["relu", 2, 0.5, True, None]), {"choice": ["relu", 2, 0.5, True, None]}),
    (Choice([(0.9, 0.99), [0.9, 0.999]]), {"choice": [[0.9, 0.99], [0.9, 0.999]]}),
]


@pytest.mark.parametrize(("domain", "plain"), PLAIN)
def test_plain_form_and_back(domain, plain):
    assert to_plain(domain) == plain
    assert from_plain(plain) == domain
    assert pickle.loads(pickle.dumps(domain)) == domain


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Float(0, 1), [0, 0.5, 1.0], [-0.1, 1.1, "0.5", True, None, float("nan")]),
        (Float(0, 0.3, step=0.1), [0.0, 0.1, 0.2, 0.30000000000000004 - 1e-16, 0.3], [0.15]),
        (Int(1, 9), [1, 9], [0, 10, 1.0, True, "1"]),
        (Int(1, 9, step=4), [1, 5, 9], [3]),
        (Choice(["a", None]), ["a", None], ["b", 0]),
        (Choice([[1, 2], {"type": "x"}, {"y": 1}]), ["[1, 2]", "x", "2"], [[1, 2], "1"]),
    ],
)
def test_contains(domain, inside, outside):
    assert all(domain.contains(value) for value in inside)
    assert not any(domain.contains(value) for value in outside)


@pytest.mark.parametrize("cls", [Float, Int])
@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((3, 1), {}, r"empty, low must be below high; found \[3, 1\]"),
        ((1, 1), {}, "write the value itself"),
        (("1", 2), {}, r"ends of \w+ must be .* numbers; found \['1', 2\]"),
        ((True, 2), {}, r"found \[true, 2\]"),
        ((None, 2), {}, r"found \[null, 2\]"),
        ((0, float("inf")), {}, "found .*inf"),
        ((0, 2), {"log": True}, "log needs low > 0; found 0"),
        ((1, 2), {"log": 1}, "log of .* must be true or false; found 1"),
        ((1, 2), {"step": 0}, "step of .* must be positive"),
        ((1, 2), {"step": "1"}, "step of .* must be positive .*; found '1'"),
        ((1, 3), {"log": True, "step": 1}, "exclude each other"),
        ((0, 10), {"step": 4}, r"whole number of steps; found \[0.*, 10.*\] with step 4; use 8 or 12"),
    ],
)
def test_wrong_ranges(cls, arguments, options, match):
    with pytest.raises(ExperimentError, match=match):
        cls(*arguments, **options)


def test_int_needs_whole_numbers():
    with pytest.raises(ExperimentError, match=r"must be whole numbers; found \[1.5, 2\]"):
        Int(1.5, 2)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ([], r"at least one option; found \[\]"),
        ("abc", "needs a list of at least one option; found 'abc'"),
        ([1, 2, 1], "must differ; found 1 twice"),
        ([{"type": "a"}, {"type": "a", "lr": 1}], "must differ; found 'a' twice; .* merge"),
        ([Int(1, 2)], r"cannot be a domain itself; found \{'int': \[1, 2\]\}"),
        ([{"int": [1, 2]}], "cannot be a domain itself"),
        ([object], "must be text, a number.*; found <class 'object'>; choose among names"),
    ],
)
def test_wrong_choices(options, match):
    with pytest.raises(ExperimentError, match=match):
        Choice(options)


@pytest.mark.parametrize(
    ("plain", "match"),
    [
        ({"float": [0, 1], "int": [0, 1]}, "exactly one of float, int, choice; found float and int"),
        ({"float": [1, 2], "lgo": True}, "'lgo' is not a known key of a domain float; did you mean 'log'"),
        ({"choice": [1], "log": True}, "'log' is not a known key of a domain choice; allowed: choice"),
        ({"float": [1]}, r"float needs a list of its two ends, \[low, high\]; found \[1\]"),
        ({"int": 3}, "int needs a list of its two ends"),
        ({"choice": 3}, "needs a list of at least one option; found 3"),
    ],
)
def test_wrong_plain_domains(plain, match):
    with pytest.raises(ExperimentError, match=match):
        from_plain(plain)


def test_domains_are_frozen():
    with pytest.raises(AttributeError):
        Float(0, 1).low = 2
