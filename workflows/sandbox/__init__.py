"""Code of strangers, each call in a confined process of its own.

`calls` is the worker's side, `launcher` holds the process that forks, `zygote` is that process;
`confinement` and `seccomp` take powers away, the harnesses run the code behind the wall.
"""

from workflows.sandbox.calls import CodeResult, execute, level, run_code
from workflows.sandbox.errors import (
    CodeFailed,
    CodeTimeout,
    LanguageUnavailable,
    SandboxUnavailable,
)

__all__ = [
    "CodeFailed",
    "CodeResult",
    "CodeTimeout",
    "LanguageUnavailable",
    "SandboxUnavailable",
    "execute",
    "level",
    "run_code",
]
