"""The comparisons of if-else."""

import pytest

from workflows.engine.conditions import OPERATORS, ConditionFailed, compare, holds
from workflows.engine.pool import Pool


def condition(path, operator, value=None, **rest):
    return {
        "variable_selector": path.split("."),
        "comparison_operator": operator,
        "value": value,
        **rest,
    }


@pytest.fixture
def pool():
    made = Pool()
    made.put("n", {"text": "Abc", "zero": 0, "yes": True, "none": None, "list": ["a"], "u": "Abc"})
    files = [
        {"__file__": "a.pdf", "type": "document", "extension": ".pdf"},
        {"__file__": "b.png", "type": "image", "extension": ".png"},
    ]
    made.put("f", {"files": files})
    return made


@pytest.mark.parametrize(
    ("value", "operator", "expected", "result"),
    [
        ("Abc", "contains", "b", True),
        (["a"], "contains", "a", True),
        (None, "contains", "a", False),
        ("", "not contains", "x", True),
        ("Abc", "start with", "A", True),
        ("", "start with", "A", False),
        ("Abc", "end with", "c", True),
        ("Abc", "is", "abc", False),
        (None, "is", "x", False),
        (None, "is not", "x", False),
        ("a", "is not", "b", True),
        (0, "empty", None, True),
        ([], "not empty", None, False),
        ("a", "in", ["a", "b"], True),
        ("", "not in", ["a"], True),
        (["a", "b"], "all of", ["a"], True),
        ([], "all of", [], False),
        (3, "=", "3", True),
        (3.5, "=", "3.5", True),
        (None, "=", "3", False),
        (3, "≠", "4", True),
        (3, ">", "2.5", True),
        (2**60 + 1, ">", str(2**60), True),
        (3, "<", "2", False),
        (3, "≥", "3", True),
        (3, "≤", 2, False),
        (None, ">", "1", False),
        (None, "null", None, True),
        (0, "not null", None, True),
        (0, "exists", None, True),
        (None, "not exists", None, True),
    ],
)
def test_operators(value, operator, expected, result):
    assert compare(value, operator, expected) is result


def test_there_are_twenty_one_operators():
    assert len(OPERATORS) == 21


@pytest.mark.parametrize(
    ("value", "operator", "expected"),
    [
        (3, "=", "3.5"),
        (3, "is", "3"),
        ("3", ">", "2"),
        (3, ">", "many"),
        (3, "contains", "3"),
        ("a", "in", "abc"),
        (5, "start with", "5"),
        ("a", "is empty", None),
    ],
)
def test_comparisons_that_make_no_sense_fail(value, operator, expected):
    with pytest.raises(ConditionFailed):
        compare(value, operator, expected)


def test_the_expected_value_may_be_a_template(pool):
    assert holds(pool, [condition("n.text", "is", "{{#n.u#}}")], "and")


def test_truth_values_are_compared_with_words(pool):
    assert holds(pool, [condition("n.yes", "is", "true")], "and")
    assert not holds(pool, [condition("n.yes", "=", "False")], "and")
    with pytest.raises(ConditionFailed):
        holds(pool, [condition("n.yes", "is", "maybe")], "and")


def test_a_missing_variable_fails_even_when_asked_whether_it_is_empty(pool):
    with pytest.raises(ConditionFailed, match="not found"):
        holds(pool, [condition("n.gone", "empty")], "and")


def test_the_first_decisive_comparison_ends_the_matter(pool):
    gone = condition("n.gone", "empty")

    assert holds(pool, [condition("n.zero", "=", "0"), gone], "or")
    assert not holds(pool, [condition("n.zero", "=", "1"), gone], "and")


def test_lists_of_files_are_judged_by_their_files(pool):
    def sub(operator, value, key="extension"):
        rows = [{"key": key, "comparison_operator": operator, "value": value}]
        group = {"logical_operator": "and", "conditions": rows}
        return [condition("f.files", "contains", sub_variable_condition=group)]

    assert holds(pool, sub("is", "pdf"), "and")
    assert holds(pool, sub("is not", "gif"), "and")
    assert not holds(pool, sub("is not", "png"), "and")
    assert holds(pool, sub("in", ["image"], key="type"), "and")
    with pytest.raises(ConditionFailed):
        holds(pool, [condition("f.files", "contains", "a")], "and")
