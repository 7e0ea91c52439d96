"""`manage.py flow`: files checked, run and tested on the command line."""

import io
import json

import pytest
import yaml
from django.core.management import CommandError, call_command

from bpm.models import HumanTask
from orgs.tests.factories import OrganizationFactory
from workflows.models import Workflow
from workflows.tests.flows import answer, end, llm, node, start, template

pytestmark = pytest.mark.django_db


def written(path, *nodes, edges, mode="workflow"):
    """A flow file in Dify's format."""
    rows = [
        {
            "id": found["id"],
            "type": "custom",
            "position": {"x": 0, "y": index * 100},
            "data": {"type": found["type"], "title": found["title"], **found["data"]},
        }
        for index, found in enumerate(nodes)
    ]
    links = []
    for number, text in enumerate(edges):
        source, target = (part.strip() for part in text.split("->"))
        source, _, handle = source.partition(":")
        links.append(
            {
                "id": str(number),
                "source": source,
                "target": target,
                "sourceHandle": handle or "source",
            }
        )
    content = {
        "kind": "app",
        "version": "0.6.0",
        "app": {"name": "A flow", "mode": mode},
        "workflow": {
            "graph": {"nodes": rows, "edges": links},
            "environment_variables": [],
            "conversation_variables": [],
            "features": {},
        },
    }
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def greeting(tmp_path):
    return written(
        tmp_path / "greeting.yml",
        start("who"),
        llm("m", "greet {{#start.who#}}"),
        answer("a", "Said: {{#m.text#}}"),
        edges=["start -> m", "m -> a"],
        mode="advanced-chat",
    )


def flow(*arguments):
    """Returns what was printed and the exit status."""
    out = io.StringIO()
    try:
        call_command("flow", *map(str, arguments), stdout=out, stderr=io.StringIO())
    except SystemExit as done:
        return out.getvalue(), done.code
    return out.getvalue(), 0


def test_a_run_under_mocks_is_told_as_json(greeting, tmp_path):
    (tmp_path / "in.json").write_text('{"who": "Ann"}')

    text, status = flow(
        "run", greeting, "--inputs", f"@{tmp_path / 'in.json'}", "--query", "q",
        "--mocks", '{"llm_text": "hello Ann"}', "--json",
    )  # fmt: skip

    result = json.loads(text)
    assert status == 0
    assert result["status"] == "succeeded"
    assert result["outputs"] == {"answer": "Said: hello Ann", "files": []}
    assert result["stream_text"] == "Said: hello Ann"
    assert result["error"] is None
    assert [found["id"] for found in result["nodes"]] == ["start", "m", "a"]
    assert set(result["nodes"][1]) == {
        "id", "kind", "status", "attempts", "inputs", "outputs", "error",
    }  # fmt: skip
    assert result["nodes"][1]["inputs"]["messages"] == [{"role": "user", "content": "greet Ann"}]


def test_a_failed_run_says_why_and_ends_with_status_1(greeting):
    text, status = flow("run", greeting, "--mocks", '{"node_errors": {"m": "no model"}}', "--json")

    result = json.loads(text)
    assert status == 1
    assert (result["status"], result["error"]) == ("failed", "no model")
    assert result["nodes"][-1]["error"] == "no model"


def test_a_run_is_told_to_people_too(greeting):
    text, status = flow("run", greeting, "--mocks", "{}", "--inputs", '{"who": "Ann"}')

    assert status == 0
    assert "Said: <llm:m>" in text
    assert "status: succeeded" in text


def test_without_mocks_the_built_in_model_answers_and_says_what_it_is(greeting):
    text, status = flow("run", greeting, "--inputs", '{"who": "Ann"}', "--json")

    result = json.loads(text)
    assert (status, result["status"]) == (0, "succeeded")
    assert "[offline model]" in result["outputs"]["answer"]


def test_a_flow_that_asks_a_person_rests(tmp_path):
    ask = node("ask", "human-input", form_content="?", user_actions=[{"id": "ok", "title": "OK"}])
    path = written(
        tmp_path / "f.yml", start(), ask, end(o="ask.__action_id"),
        edges=["start -> ask", "ask:ok -> end"],
    )  # fmt: skip

    text, status = flow("run", path, "--json")

    assert (status, json.loads(text)["status"]) == (1, "waiting")
    assert not HumanTask.objects.exists()


def test_inputs_can_be_made_up(tmp_path):
    path = written(tmp_path / "f.yml", start("who"), end(o="start.who"), edges=["start -> end"])

    text, _ = flow("run", path, "--mocks", '{"auto_inputs": true}', "--json")

    assert json.loads(text)["outputs"] == {"o": "sample who"}


def test_a_flow_that_cannot_be_built_is_refused_with_its_faults(tmp_path):
    path = written(
        tmp_path / "f.yml", start(), template("t", "x"), end(), edges=["start -> t", "t -> t"]
    )

    text, status = flow("run", path, "--mocks", "{}", "--json")

    result = json.loads(text)
    assert (status, result["status"], result["outputs"]) == (1, "build-failed", None)
    assert "line" in result["error"]


def test_references_to_nothing_are_no_reason_not_to_try(tmp_path):
    path = written(tmp_path / "f.yml", start(), end(o="gone.x"), edges=["start -> end"])

    text, status = flow("run", path, "--mocks", "{}", "--json")

    assert (status, json.loads(text)["outputs"]) == (0, {"o": None})


@pytest.mark.parametrize("value", ["[1]", "{", "@/no/such/file"])
def test_inputs_must_be_an_object(greeting, value):
    with pytest.raises(CommandError):
        flow("run", greeting, "--inputs", value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CommandError, match="does not exist"):
        flow("validate", tmp_path / "none.yml")


def test_validate_prints_the_whole_report(greeting, tmp_path):
    bad = written(
        tmp_path / "bad.yml", start(), node("x", "no-such"), end(o="gone.x"), edges=["start -> x"]
    )

    good_text, good = flow("validate", greeting)
    text, status = flow("validate", bad)
    report = json.loads(flow("validate", bad, "--json")[0])

    assert (good, status) == (0, 1)
    assert "0 errors" in good_text
    assert len(report["faults"]) >= 2
    assert all(f"[{fault['code']}]" in text for fault in report["faults"])


def cases_of(tmp_path, *cases):
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": list(cases)}))
    return path


def case(name, fixture="greeting.yml", **rest):
    return {"id": name, "fixture": fixture, "inputs": {"who": "Ann"}, "query": "q", **rest}


def test_cases_pass_or_fail_one_by_one(greeting, tmp_path):
    said = {"answer": "Said: hi"}
    mocks = {"llm_text": "hi"}
    whole = said | {"files": []}
    cases = cases_of(
        tmp_path,
        case("subset", mocks=mocks,
             expected={"status": "succeeded", "outputs": said, "match": "subset"}),
        case("not-exact", mocks=mocks, expected={"outputs": said, "match": "exact"}),
        case("exact", mocks=mocks, expected={"outputs": whole, "match": "exact", "chunks": 2}),
        case("recorded", mocks=mocks, expected={"match": "recorded"},
             reference={"status": "succeeded", "outputs": whole, "stream_text": "Said: hi"}),
        case("other-text", mocks=mocks, expected={"match": "recorded"},
             reference={"status": "succeeded", "stream_text": "Said: ho"}),
        case("skipped-node", mocks=mocks, expected={"must_run": ["m", "z"], "match": "subset"}),
        case("of-another-flow", fixture="other.yml"),
    )  # fmt: skip

    text, status = flow("test", greeting, "--cases", cases)

    lines = text.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "PASS subset", "FAIL not-exact", "PASS exact", "PASS recorded", "FAIL other-text",
        "FAIL skipped-node",
    ]  # fmt: skip
    assert lines[-1] == "3 passed, 3 failed"
    assert status == 1


def test_a_directory_runs_all_its_cases_and_names_what_is_missing(greeting, tmp_path):
    good = case("good", mocks={}, expected={"status": "succeeded", "match": "subset"})
    nested = {**good, "id": "nested", "fixture": "elsewhere/greeting.yml"}
    cases = cases_of(tmp_path, good, nested, case("lost", fixture="lost.yml"))

    text, status = flow("test", tmp_path, "--cases", cases)

    assert text.splitlines()[-1] == "2 passed, 1 failed"
    assert "lost.yml cannot be read" in text
    assert status == 1


def test_kinds_that_do_not_run_yet_are_named(tmp_path):
    path = written(
        tmp_path / "f.yml", start(), node("k", "agent"), end(), edges=["start -> k", "k -> end"]
    )
    cases = cases_of(tmp_path, case("k", fixture="f.yml", expected={"match": "subset"}))

    text, status = flow("test", path, "--cases", cases)

    assert "agent" in text
    assert (text.splitlines()[-1], status) == ("0 passed, 1 failed", 1)


def test_no_cases_for_a_flow_is_an_error(greeting, tmp_path):
    with pytest.raises(CommandError, match="no case"):
        flow("test", greeting, "--cases", cases_of(tmp_path, case("x", fixture="other.yml")))


def test_an_import_stores_the_flow_for_the_organization(greeting):
    organization = OrganizationFactory()

    text, status = flow("import", greeting, "--org", organization.slug, "--name", "Mine")

    workflow = Workflow.objects.get(organization=organization)
    assert (workflow.name, status) == ("Mine", 0)
    assert str(workflow.pk) in text


def test_an_import_with_faults_stores_nothing(tmp_path):
    organization = OrganizationFactory()
    bad = written(tmp_path / "f.yml", start(), end(o="gone.x"), edges=["start -> end"])

    with pytest.raises(CommandError):
        flow("import", bad, "--org", organization.slug)

    assert not Workflow.objects.exists()


def test_import_needs_an_organization_that_exists(greeting):
    with pytest.raises(CommandError, match="no organization"):
        flow("import", greeting, "--org", "nobody")
