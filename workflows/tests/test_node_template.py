"""Templates of strangers."""

import pytest

from workflows.localservices import SandboxServices
from workflows.nodes.base import NodeFailed
from workflows.tests.flows import World, run_node, template


async def rendered(text, services=None, **values):
    names = {name: f"n.{name}" for name in values}
    outcome = await run_node(template("t", text, **names), {"n": values}, services)
    return outcome.outputs["output"]


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("plain", {}, "plain"),
        ("{{ a }}-{{ gone }}-{{ none }}", {"a": 1, "none": None}, "1--None"),
        ("{% for i in l %}{{ loop.index }}{{ i }} {% endfor %}", {"l": ["a", "b"]}, "1a 2b "),
        (
            "{% for k, v in o.items() %}{{ k }}={{ v|tojson }}{% endfor %}",
            {"o": {"a": [1]}},
            "a=[1]",
        ),
        ("{% if l|length > 1 %}{{ l|join(', ') }}{% endif %}", {"l": ["a", "b"]}, "a, b"),
        ("{% set x = a + 1 %}{{ x }}{{ 'é' ~ a }}", {"a": 1}, "2é1"),
        ("{% for i in l %}{{ loop.last }}{% else %}none{% endfor %}", {"l": []}, "none"),
    ],
)
async def test_tame_templates_need_no_other_process(text, values, result):
    world = World()

    assert await rendered(text, world, **values) == result
    assert world.calls == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 9 }}",
        "{% for i in range(3) %}{{ i }}{% endfor %}",
        "{% macro m(n) %}{{ n }}{% endmacro %}{{ m(1) }}",
        "{% for i in l %}{% for j in l %}{% for k in l %}.{% endfor %}{% endfor %}{% endfor %}",
        "{{ 'x'.ljust(9) }}",
        "{{ '%9d' % 1 }}",
        "{{ l|join(l[0]) }}",
        "{% for i in l recursive %}{{ loop(i) }}{% endfor %}",
        "{% set b = l ~ l %}{{ b }}",
        "{% set b = [l, l] %}{{ b }}",
        "{% set b = l|tojson %}{{ b }}",
        "{{ l|tojson|tojson }}",
        "{{ l|tojson(900000000) }}",
        "{{ l|tojson(indent=900000000) }}",
        "{{ 1.5|round(20000000, 'ceil') }}",
        "{{ l|join(*l) }}",
        "{{ '" + "x" * 20_000 + "' }}",
        "{% for i in l %}{{ 'a'.strip(l) }}{% endfor %}",
        "{% set ns = namespace(s='') %}{% for i in l %}{% set ns.s = ns.s ~ i %}{% endfor %}",
    ],
)
async def test_templates_that_could_grow_are_sent_to_the_confined_process(text):
    world = World()

    await rendered(text, world, l=[["a"]])

    ((language, _, variables),) = world.calls
    assert language == "python3"
    assert variables == {"template": text, "variables": {"l": [["a"]]}}


async def test_the_confined_process_renders_what_is_sent_there():
    text = "{% for i in range(3) %}{{ 'ab' * i }},{% endfor %}{{ who }}"

    assert await rendered(text, SandboxServices(), who="me") == ",ab,abab,me"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ a", "template_failed"),
        ("{{ 1 / 0 }}", "template_failed"),
        ("{{ a.b.c }}", "template_failed"),
        ("{% for i in l %}{{ big }}{% endfor %}", "output_too_long"),
    ],
)
async def test_what_cannot_be_rendered_fails_the_node(text, code):
    with pytest.raises(NodeFailed) as caught:
        await rendered(text, SandboxServices(), a=1, l=list(range(5)), big="x" * 100_000)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{% for i in l %}{% for j in l %}{% endfor %}{% endfor %}", {"l": [0] * 1000}),
        ("{% for i in l %}{% if a|upper == i %}{% endif %}{% endfor %}", {"a": "x" * 400_000}),
        ("{{ [" + ",".join("a" * 5000) + "]|join|length }}", {"a": "x" * 400_000}),
    ],
)
async def test_a_template_with_much_to_do_is_sent_there_too(text, values):
    world = World()

    await rendered(text, world, **{"l": list(range(10_000)), **values})

    assert len(world.calls) == 1


async def test_the_sandbox_keeps_python_out_of_reach():
    for text in ("{{ ''.__class__.__mro__ }}", "{{ l.append(1) }}"):
        with pytest.raises(NodeFailed):
            await rendered(text, SandboxServices(), l=[])
