"""Values, their text forms, references and the pool."""

import pytest

from workflows.engine.pool import Pool
from workflows.engine.references import Ref, parse_template, reads_of
from workflows.engine.values import MISSING, convert, markdown_of, member_of, text_of, type_of

FILE = {"__file__": "a.pdf", "type": "document", "url": "http://x/a.pdf", "size": 3}
PICTURE = {"__file__": "p.png", "type": "image", "url": "http://x/p.png"}


@pytest.mark.parametrize(
    ("value", "text", "markdown"),
    [
        ("é", "é", "é"),
        (None, "", ""),
        (True, "True", "True"),
        (1.0, "1.0", "1.0"),
        ({"a": "é"}, '{"a": "é"}', '{\n  "a": "é"\n}'),
        (["a", "b"], '["a", "b"]', "- a\n- b"),
        ([1, 2], "[1, 2]", "- 1\n- 2"),
        ([{"k": "v"}], "[{'k': 'v'}]", "- {'k': 'v'}"),
        ([True], "[True]", "- True"),
        ([], "", ""),
        (FILE, "", "[a.pdf](http://x/a.pdf)"),
        ([PICTURE, FILE], "", "![p.png](http://x/p.png)\n[a.pdf](http://x/a.pdf)"),
    ],
)
def test_imported_flows_keep_the_text_forms_of_their_home(value, text, markdown):
    assert (text_of(value), markdown_of(value)) == (text, markdown)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), ([{"k": "v"}], '[{"k": "v"}]'), ([], "[]"), (None, ""), ("x", "x")],
)
def test_other_flows_print_json_everywhere(value, text):
    assert text_of(value, compat=False) == markdown_of(value, compat=False) == text


def test_references_have_a_narrow_form():
    text = "{{#a.b#}}{{# a.b #}}{{#a-1.b#}}{{#a.b.0#}}{{#名.b#}}{{#a#}}"

    assert parse_template(text) == (
        Ref(("a", "b")),
        "{{# a.b #}}{{#a-1.b#}}{{#a.b.0#}}{{#名.b#}}{{#a#}}",
    )


def test_all_reads_of_a_node_are_found():
    data = {
        "text": "x {{#a.b#}}",
        "variables": [["c", "d"], ["e", "f", "g"]],
        "value_selector": ["h", "i"],
        "elsewhere": {"value": ["known", "x"], "words": ["just", "words"]},
    }

    found = {str(ref) for ref in reads_of(data, ["known"])}

    assert found == {"a.b", "c.d", "e.f.g", "h.i", "known.x"}


def test_selectors_lead_into_objects_and_files():
    pool = Pool()
    pool.put("n", {"o": {"a": {"b": None}}, "f": FILE, "l": [1]})

    assert pool.get(("n", "o", "a", "b")) is None
    assert pool.get(("n", "f", "size")) == 3
    assert pool.get(("n", "f", "name")) == "a.pdf"
    for path in (("n", "o", "x"), ("n", "f", "secret"), ("n", "l", "0"), ("n",), ("m", "x"), ()):
        assert pool.get(path) is MISSING


def test_what_is_void_shows_its_selector():
    pool = Pool()
    pool.put("n", {"none": None})

    assert pool.text("{{#n.none#}}|{{#n.x#}}|{{#m.x.y#}}") == "|n.x|m.x.y"


def test_a_child_pool_keeps_its_writes_to_itself():
    parent = Pool()
    parent.put("n", {"x": 1})
    child = Pool(parent=parent)
    child.put("m", {"y": 2})

    assert child.text("{{#n.x#}}{{#m.y#}}") == "12"
    assert parent.get(("m", "y")) is MISSING


def test_constants_take_their_declared_type():
    assert convert("0", "number") == 0.0
    assert convert('{"a": 1}', "object") == {"a": 1}
    assert convert([1], "array[number]") == [1]
    assert convert(5, "string") == "5"
    with pytest.raises(ValueError, match="could not convert"):
        convert("x", "number")


def test_types_have_their_names():
    assert [type_of(value) for value in ("a", True, 1.5, None, {}, FILE, ["a"], [1, "a"], [])] == [
        "string", "boolean", "number", "none", "object", "file",
        "array[string]", "array[any]", "array[any]",
    ]  # fmt: skip
    assert member_of("text", "x") is MISSING
