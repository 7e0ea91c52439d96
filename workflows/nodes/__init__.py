"""Node kinds, one module each. A module that defines `KIND` is a kind: nothing else to register."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from workflows.engine.graph import Shape
from workflows.nodes.base import NodeKind


def _load() -> dict[str, NodeKind[Any]]:
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    kinds = (module.KIND for module in modules if hasattr(module, "KIND"))
    return {kind.name: kind for kind in kinds}


KINDS: Mapping[str, NodeKind[Any]] = _load()
SHAPES: Mapping[str, Shape] = {name: kind.shape for name, kind in KINDS.items()}

__all__ = ["KINDS", "SHAPES", "NodeKind"]
