"""The llm node: its prompt, its parameters, its answer."""

import pytest

from workflows.nodes import KINDS
from workflows.nodes.base import NodeFailed
from workflows.nodes.llm_thinking import ThinkFilter, split_thinking
from workflows.tests.flows import World, context, node, run_node

HISTORY = [
    {"role": "user", "content": "q1"},
    {"role": "assistant", "content": "a1"},
    {"role": "user", "content": "q2"},
    {"role": "assistant", "content": "a2"},
]


def chat(*messages, params=None, **data):
    model = {"provider": "p", "name": "m", "mode": "chat", "completion_params": params or {}}
    rows = [{"role": role, "text": text} for role, text in messages]
    return node("llm", "llm", model=model, prompt_template=rows, **data)


async def messages_of(found, values=None, **system):
    world = World()
    await run_node(found, values, world, **system)
    return [(message["role"], message["content"]) for message in world.calls[0].messages]


async def test_the_prompt_is_filled_in_and_empty_messages_are_left_out():
    found = chat(("system", ""), ("user", "{{#n.o#}} {{#n.l#}}{{#n.none#}}"))

    got = await messages_of(found, {"n": {"o": {"a": 1}, "l": [1], "none": None}})

    assert got == [("user", '{"a": 1} [1]')]


async def test_the_memory_adds_history_and_then_the_query():
    memory = {"window": {"enabled": True, "size": 1}, "query_prompt_template": "{{#sys.query#}}!"}

    got = await messages_of(chat(("system", "S"), memory=memory), query="Q", history=HISTORY)

    assert got == [("system", "S"), ("user", "q2"), ("assistant", "a2"), ("user", "Q!")]


async def test_without_a_window_all_history_counts_and_the_query_is_the_default():
    got = await messages_of(chat(("system", "S"), memory={}), query="Q", history=HISTORY)

    assert got[1:] == [*((m["role"], m["content"]) for m in HISTORY), ("user", "Q")]


async def test_retrieved_passages_stand_for_the_context():
    found = chat(
        ("system", "C: {{#context#}}"),
        context={"enabled": True, "variable_selector": ["kb", "result"]},
    )
    passages = [{"content": "one {{#n.secret#}}"}, {"content": "two"}]

    got = await messages_of(found, {"kb": {"result": passages}, "n": {"secret": "S"}})

    assert got == [("system", "C: one {{#n.secret#}}\ntwo")]


async def test_a_completion_model_gets_one_text():
    found = node(
        "llm",
        "llm",
        model={"name": "m", "mode": "completion"},
        prompt_template={"text": "{{#histories#}}\nH: {{#query#}}"},
        memory={
            "window": {"enabled": True, "size": 1},
            "role_prefix": {"user": "Q", "assistant": "A"},
        },
    )

    got = await messages_of(found, query="now", history=HISTORY)

    assert got == [("user", "Q: q2\nA: a2\nH: now")]


async def test_jinja_messages_see_their_own_variables():
    found = node(
        "llm",
        "llm",
        model={"name": "m"},
        prompt_template=[
            {
                "role": "user",
                "edition_type": "jinja2",
                "jinja2_text": "{{ x|upper }}",
                "text": "{{#gone.x#}}",
            }
        ],
        prompt_config={"jinja2_variables": [{"variable": "x", "value_selector": ["n", "x"]}]},
    )

    assert await messages_of(found, {"n": {"x": "abc"}}) == [("user", "ABC")]


async def test_pictures_go_with_the_last_message():
    found = chat(
        ("user", "see"),
        vision={"enabled": True, "configs": {"variable_selector": ["n", "f"], "detail": "low"}},
    )
    files = [{"__file__": "a.png", "type": "image", "url": "http://x/a.png"}, {"__file__": "b.pdf"}]

    ((_, content),) = await messages_of(found, {"n": {"f": files}})

    assert content == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "http://x/a.png", "detail": "low"}},
    ]


async def test_a_missing_variable_fails_before_anything_is_asked():
    world = World()

    with pytest.raises(NodeFailed, match=r"^Variable #gone.x# not found$") as caught:
        await run_node(chat(("user", "{{#gone.x#}}")), services=world)

    assert caught.value.code == "variable_not_found"
    assert world.calls == []


async def test_an_empty_prompt_is_refused():
    world = World()

    with pytest.raises(NodeFailed) as caught:
        await run_node(chat(("user", "")), services=world)

    assert caught.value.code == "empty_prompt"
    assert world.calls == []


async def test_parameters_with_variables_become_numbers_again():
    world = World()
    params = {
        "temperature": "{{#env.t#}}",
        "n": "{{#env.n#}}",
        "stop": "{{#env.s#}}",
        "top_p": "0.5",
    }

    await run_node(
        chat(("user", "x"), params=params), {"env": {"t": "0.3", "n": 2, "s": "true"}}, world
    )

    assert world.calls[0].params == {"temperature": 0.3, "n": 2, "stop": True, "top_p": "0.5"}


async def test_the_call_carries_a_key_that_never_changes():
    world = World()
    for attempt in (1, 2):
        made, _ = context(chat(("user", "x")), services=world)
        made.attempt = attempt
        await KINDS["llm"].run(made, KINDS["llm"].config.model_validate(made.node.data))

    assert {call.billing_ref for call in world.calls} == {"run:r1:llm:"}


async def test_the_answer_streams_and_is_accounted_for():
    world = World(texts={"llm": "one two"})
    found = chat(("user", "x"))
    made, pieces = context(found, services=world)

    outcome = await KINDS["llm"].run(made, KINDS["llm"].config.model_validate(found["data"]))

    assert pieces == ["one", " two"]
    assert outcome.outputs["text"] == "one two"
    assert (outcome.cost, outcome.usage) == (7, {"total_tokens": 3})
    assert outcome.inputs["messages"] == [{"role": "user", "content": "x"}]


async def test_thoughts_are_kept_apart_when_wanted():
    text = "<think>hm hm</think> yes sir"
    tagged = await run_node(chat(("user", "x")), services=World(texts={"llm": text}))
    found = chat(("user", "x"), reasoning_format="separated")
    made, pieces = context(found, services=World(texts={"llm": text}))

    apart = await KINDS["llm"].run(made, KINDS["llm"].config.model_validate(found["data"]))

    assert (tagged.outputs["text"], tagged.outputs["reasoning_content"]) == (text, "")
    assert (apart.outputs["text"], apart.outputs["reasoning_content"]) == ("yes sir", "hm hm")
    assert "".join(pieces) == "yes sir"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 50])
def test_thoughts_are_filtered_however_the_text_is_cut(size):
    text = "<think>secret</think>a < b <thin>c"
    thinking = ThinkFilter()
    pieces = [text[i : i + size] for i in range(0, len(text), size)]

    assert "".join(thinking.feed(piece) for piece in pieces) == "a < b <thin>c"
    assert split_thinking("no thoughts") == ("no thoughts", "")


async def test_structured_answers_are_read():
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    found = chat(
        ("user", "x"), structured_output_enabled=True, structured_output={"schema": schema}
    )
    good = World(texts={"llm": 'Here: {"a": 1}'})

    outcome = await run_node(found, services=good)

    assert outcome.outputs["structured_output"] == {"a": 1}
    assert good.calls[0].params["response_format"]["json_schema"]["schema"] == schema
    with pytest.raises(NodeFailed) as caught:
        await run_node(found, services=World(texts={"llm": "sorry"}))
    assert caught.value.code == "invalid_structured_output"
