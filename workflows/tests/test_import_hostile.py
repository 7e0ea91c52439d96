"""Bytes that mean harm: any of them is answered with a fault, soon and in little memory."""

import json
import random
import time

import pytest

from workflows.dify import load_flow
from workflows.dify.texts import localize
from workflows.tests.import_samples import SUPPORT, codes, line_of, within_graph

MEGABYTE = 1024 * 1024


def refused(raw):
    began = time.process_time()
    imported = load_flow(raw)
    assert time.process_time() - began < 5, "a bound on the work, not a benchmark"
    assert imported.definition is None
    return imported.report["faults"]


@pytest.mark.parametrize(
    ("raw", "code", "line"),
    [
        (b"", "file_empty", 0),
        (b" \n\t\n", "file_empty", 0),
        (b"\xef\xbb\xbf", "file_empty", 0),
        (b"a: b\nc: \xff", "not_utf8", 2),
        ("a: b".encode("utf-16"), "not_utf8", 1),
        (b"a: b\nc: \x00", "bad_character", 2),
        (b"a: b\nc: \x07", "bad_character", 2),
        (b'a: b\nc: "\\0"', "bad_character", 2),
        (b'{"data": "a: \\ud800"}', "bad_character", 1),
        (b"- a\n- b", "not_a_mapping", 1),
        (b"hello", "not_a_mapping", 1),
        (b"null", "not_a_mapping", 1),
        (b"a: b\n c: d", "not_yaml", 2),
        (b'a: "b', "not_yaml", 1),
        (b"a: b\n\t- c", "not_yaml", 2),
        (b"# c\n%TAG ! tag:x,2000:\n---\na: b", "directive_refused", 2),
        (b"a: b\n# c\n---\nc: d", "several_documents", 3),
        (b"a: &x b", "anchor_refused", 1),
        (b"a: &x b\nc: *x", "alias_refused", 2),
        (b"a: 1\nb: !!python/object/apply:os.system [id]", "tag_refused", 2),
        (b"a: 1\nb: !!int '3'", "tag_refused", 2),
        (b"a: b\nc: d\na: e", "duplicate_key", 3),
        (b"a: {b: c, 'b': d}", "duplicate_key", 1),
        (b"a: b\n1: c", "key_not_text", 2),
        (b"a: b\nyes: c", "key_not_text", 2),
        (b"a: b\n? [c]\n: d", "key_not_text", 2),
        (b"a: " + b"9" * 5000, "number_refused", 1),
        (b"a: .inf", "number_refused", 1),
        (b"a: .NaN", "number_refused", 1),
        (b"a: 1.0e+999", "number_refused", 1),
    ],
)
def test_what_is_no_plain_mapping_of_text_is_refused(raw, code, line):
    found = [(fault["code"], fault["line"]) for fault in refused(raw)]

    assert (code, line) in found


def test_dates_and_sexagesimals_do_not_surprise():
    text = SUPPORT.replace("Answers mails.", "2026-01-02").replace("value: 100", "value: 1_000")

    imported = load_flow(text.encode())

    assert imported.description == "2026-01-02"
    assert imported.definition["environment"][0]["value"] == 1000


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"x" * (10 * MEGABYTE + 1), "file_too_large"),
        (b"[" * 1_000_000, "too_deep"),
        (b"{a: " * 500_000, "too_deep"),
        (b"- " * 1_000_000, "too_deep"),
        (b"".join(b" " * n + b"k:\n" for n in range(1000)), "too_deep"),
        (b"- \n" * 1_000_000, "too_many_values"),
        (b"[" + b"a," * 2_000_000, "too_many_values"),
        (b"a: b\n" * 500_000, "more_faults"),
        (b"a: &a x\nb: [" + b"*a," * 100_000 + b"]", "more_faults"),
        (b"%TAG !a! x\n" * 500_000, "directive_refused"),
        (b"a: b\n---\n" + b"%TAG !a! x\n" * 500_000, "several_documents"),
        (b"# x\n" * 2_000_000, "not_a_mapping"),
        (b'{"data": ' + b"[" * 1_000_000, "too_deep"),
        (b'{"data": "' + b"a: b\\n" * 500_000 + b'"}', "more_faults"),
        (b'"' + b"a" * 8 * MEGABYTE, "not_yaml"),
        (b"a: 0x" + b"f" * 1_000_000, "number_refused"),
    ],
)
def test_size_depth_and_number_are_bounded(raw, code):
    assert code in codes(refused(raw))


def test_a_billion_laughs_stay_a_few_faults():
    lines = ["a0: &a0 [ha, ha, ha]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40)]

    found = codes(refused("\n".join(lines).encode()))

    assert found.count("anchor_refused") == 40
    assert found.count("alias_refused") == 117


def test_a_fault_of_the_text_names_the_node_it_stands_in():
    text = SUPPORT.replace("title: Draft", "title: !secret Draft")

    (fault,) = refused(text.encode())

    assert (fault["code"], fault["node_id"]) == ("tag_refused", "draft")
    assert fault["line"] == line_of(text, "!secret")
    assert fault["path"] == "workflow.graph.nodes[1].data.title"


@pytest.mark.parametrize(
    "text",
    [
        "nodes: 7",
        "nodes: [7, null, [], x]",
        "nodes: [{id: a}, {id: b, data: 7}, {id: [x], data: {type: start}}, {data: {type: end}}]",
        "nodes: [{id: a, data: {type: [start]}}]\nedges: 7",
        "nodes: [{id: a, data: {type: start, variables: 7}}]\nedges: [7, {}, {source: {}}]",
    ],
)
def test_graphs_of_the_wrong_shape_are_faults_not_errors(text):
    assert refused(within_graph(text))


def test_a_long_chain_and_a_long_ring_are_walked_without_recursion():
    nodes = "".join(f"- {{id: n{n}, data: {{type: answer, answer: x}}}}\n" for n in range(5000))
    ring = "".join(f"- {{source: n{n}, target: n{(n + 1) % 5000}}}\n" for n in range(5000))
    head = "nodes:\n- {id: s, data: {type: start}}\n"

    faults = refused(within_graph(f"{head}{nodes}edges:\n- {{source: s, target: n0}}\n{ring}"))
    chain = load_flow(within_graph(f"{head}{nodes}edges:\n{ring.rpartition('- ')[0]}"))

    assert codes(faults) == ["cycle"]
    assert chain.report["ok"]


def test_damaged_files_never_raise_and_always_give_a_whole_report():
    rnd = random.Random(7)
    pieces = [
        b"\n",
        b" ",
        b":",
        b"- ",
        b'"',
        b"&a ",
        b"*a",
        b"!x ",
        b"\xff",
        b"[",
        b"}",
        b"null",
        b"7",
    ]
    for _ in range(400):
        raw = bytearray(SUPPORT.encode())
        for _ in range(rnd.choice((1, 3, 9))):
            at = rnd.randrange(len(raw))
            raw[at : at + rnd.choice((0, 1, 6))] = rnd.choice(pieces)
        imported = load_flow(bytes(raw))

        report = imported.report
        assert report["ok"] == (imported.definition is not None) == (not report["faults"])
        json.dumps([imported.definition, report], allow_nan=False)


def test_every_sentence_can_be_said_again_from_what_is_stored():
    report = json.loads(json.dumps(load_flow(b"app: {mode: opera}\nworkflow: {graph: 7}").report))

    for section in ("faults", "warnings"):
        assert report[section]
        for finding in report[section]:
            assert localize(section, finding) == finding["message"]
