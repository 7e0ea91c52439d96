"""JSON for both databases: what they cannot hold is replaced, everything else stays as it is."""

import json
import math
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jsonsafe import clean, dump_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_what_can_be_held_comes_back_as_it_was(value):
    if value == clean(value):
        assert json.loads(dump_json(value)) == value
    assert json.loads(dump_json(value)) == clean(value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a": math.nan, "b": [math.inf]}, {"a": None, "b": [None]}),
        ({"a\x00": "b\x00c"}, {"a\ufffd": "b\ufffdc"}),
        ("\ud800", "?"),
        (r"\u0000 is six letters", r"\u0000 is six letters"),
        ({1: 2**70}, {"1": 2**70}),
        (datetime(2026, 11, 25, tzinfo=UTC), "2026-11-25 00:00:00+00:00"),
        (UUID(int=7), str(UUID(int=7))),
        ({"a": {1}}, {"a": "{1}"}),
    ],
)
def test_what_cannot_is_replaced(value, kept):
    assert json.loads(dump_json(value)) == kept
