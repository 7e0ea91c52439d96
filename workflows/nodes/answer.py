"""Answer: a piece of the reply to the reader, from a template."""

from collections.abc import Mapping
from typing import Any

from workflows.engine.references import Ref, Template, parse_template
from workflows.engine.values import is_file
from workflows.nodes.base import Config, NodeContext, NodeKind, Outcome
from workflows.nodes.fields import Text


class AnswerConfig(Config):
    answer: Text = ""


class AnswerKind(NodeKind[AnswerConfig]):
    name = "answer"
    config = AnswerConfig
    response = True

    async def run(self, context: NodeContext, config: AnswerConfig) -> Outcome:
        pool = context.pool
        files: list[Any] = []
        for part in parse_template(config.answer):
            if isinstance(part, Ref):
                files += _files(pool.value(part.path))
        return Outcome(outputs={"answer": pool.markdown(config.answer), "files": files})

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset({"answer", "files"})

    def template(self, config: AnswerConfig) -> Template:
        return parse_template(config.answer)


def _files(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if is_file(item)]


KIND = AnswerKind()
