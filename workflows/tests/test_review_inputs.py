"""Numbers as people type them."""

import pytest

from workflows.errors import InvalidRunInput
from workflows.inputs import check_inputs
from workflows.tests.factories import flow, start

FORM = flow([start(("n", "number"))], [])


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("12345678901234567890", 12345678901234567890),
        (" -7 ", -7),
        ("1.0", 1.0),
        ("1e3", 1000),
        (9007199254740993, 9007199254740993),
    ],
)
def test_numbers_keep_all_their_digits(typed, number):
    assert check_inputs(FORM, {"n": typed}) == {"n": number}


@pytest.mark.parametrize("typed", ["1e999", "nan", "seven", "9" * 5000, True, [1]])
def test_what_is_no_number_is_refused(typed):
    with pytest.raises(InvalidRunInput) as caught:
        check_inputs(FORM, {"n": typed})

    assert caught.value.detail["fields"] == {"n": "not_a_number"}
