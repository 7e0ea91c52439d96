"""The confined process: what code may do, what it may not, and that it never hangs or leaks."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from workflows.sandbox import (
    CodeFailed,
    CodeTimeout,
    LanguageUnavailable,
    SandboxUnavailable,
    calls,
    execute,
    level,
    run_code,
)
from workflows.sandbox.confinement import Level
from workflows.sandbox.launcher import launcher, node_path

PYTHON, JAVASCRIPT = "python3", "javascript"
CANARY = "canary-5b0c2f"
needs_full = pytest.mark.skipif(level() != Level.FULL, reason="no Landlock or seccomp here")
needs_node = pytest.mark.skipif(
    not node_path() or level() != Level.FULL, reason="no confined JavaScript here"
)


async def python(body: str, *, timeout: float = 5.0, **variables: Any) -> dict[str, Any]:
    """Run the body of a `main` that sees its variables by name."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    code = f"def main({', '.join(variables)}):\n{lines}\n"
    return await run_code(PYTHON, code, variables, timeout=timeout)


async def failure_of(body: str, **variables: Any) -> CodeFailed:
    with pytest.raises(CodeFailed) as failure:
        await python(body, **variables)
    return failure.value


# --- what code is for


async def test_python_gets_its_variables_and_returns_an_object() -> None:
    code = "import json\ndef main(a: int, b: str) -> dict:\n    return {'sum': a, 'b': b}"
    assert await run_code(PYTHON, code, {"a": 3, "b": "ä\U0001f600"}) == {
        "sum": 3,
        "b": "ä\U0001f600",
    }


async def test_the_standard_library_and_jinja_are_there() -> None:
    outputs = await python(
        """
import decimal, email.mime.text, hashlib, random, statistics, uuid, wave, xml.dom, zoneinfo
import jinja2.sandbox
zone = zoneinfo.ZoneInfo("Asia/Shanghai")
text = jinja2.Template("{{ a|upper }}").render(a="x")
return {"text": text, "zone": str(zone), "hash": hashlib.sha256(b"x").hexdigest()[:8]}
"""
    )
    assert outputs == {"text": "X", "zone": "Asia/Shanghai", "hash": "2d711642"}


async def test_what_it_prints_is_kept_up_to_a_limit() -> None:
    code = "def main():\n    print('hello')\n    return {}"
    assert (await execute(PYTHON, code, {})).printed == "hello\n"
    code = "def main():\n  for _ in range(200): print('x' * 1_000_000)\n  return {'ok': 1}"
    result = await execute(PYTHON, code, {})
    assert result.outputs == {"ok": 1}
    assert len(result.printed) == calls.PRINTED_LIMIT


async def test_each_call_starts_afresh() -> None:
    body = "import builtins, random\nseen = getattr(builtins, 'seen', 0)\nbuiltins.seen = 1\n"
    body += "return {'seen': seen, 'dice': random.random()}"
    first, second = await python(body), await python(body)
    assert (first["seen"], second["seen"]) == (0, 0)
    assert first["dice"] != second["dice"]


async def test_odd_text_comes_back_storable() -> None:
    outputs = await python(
        "return {'nul': 'a\\x00b', 'half': '\\ud800', 'given': given}", given="\x00\ud800"
    )
    assert not [text for text in outputs.values() if "\x00" in text]
    assert all(text.encode() for text in outputs.values())


@needs_full
async def test_threads_work() -> None:
    body = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    return {"squares": list(pool.map(lambda n: n * n, range(5)))}
"""
    assert await python(body) == {"squares": [0, 1, 4, 9, 16]}


@needs_node
async def test_javascript_runs_too() -> None:
    code = "async function main({a, b}) { console.log('hi'); return {sum: a + b, id: [1, null]} }"
    result = await execute(JAVASCRIPT, code, {"a": 1, "b": 2})
    assert result.outputs == {"sum": 3, "id": [1, None]}
    assert result.printed == "hi\n"


# --- how it fails


@pytest.mark.parametrize(
    ("body", "kind", "line", "says"),
    [
        ("x = 1\nraise ValueError('bad amount')", "ValueError", 3, "ValueError: bad amount"),
        ("return {'a': 1 / 0}", "ZeroDivisionError", 2, "division by zero"),
        ("return [1]", "ResultNotObject", None, "list"),
        ("return None", "ResultNotObject", None, "NoneType"),
        ("return {'a': float('nan')}", "ResultNotJSON", None, "JSON"),
        ("return {'a': float('inf')}", "ResultNotJSON", None, "JSON"),
        ("return {'a': {1, 2}}", "ResultNotJSON", None, "set"),
        ("a = {}\na['a'] = a\nreturn a", "ResultNotJSON", None, "ircular"),
        ("a = []\nfor _ in range(200_000): a = [a]\nreturn {'a': a}", "ResultNotJSON", None, ""),
        ("a = []\nfor _ in range(500): a = [a]\nreturn {'a': a}", "ResultNotJSON", None, "deep"),
        ("return {'a': 10 ** 5000}", "ResultNotJSON", None, "digits"),
        ("return {'a': 'x' * 2_000_000}", "ResultTooLarge", None, "1000000"),
        ("raise SystemExit(3)", "SystemExit", 2, "3"),
        ("import os; os._exit(0)", "Crashed", None, "stopped"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", 2, ""),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E", 4, "E"),
        ("def f(): return f()\nreturn f()", "RecursionError", 2, "recursion"),
        ("import no_such_module", "ModuleNotFoundError", 2, "no_such_module"),
        ("return {'a': 'x' * 2 ** 40}", "MemoryError", 2, "memory"),
    ],
)
async def test_the_authors_mistakes_come_back_with_kind_and_line(
    body: str, kind: str, line: int | None, says: str
) -> None:
    failure = await failure_of(body)
    assert (failure.code, failure.type, failure.line) == ("code_failed", kind, line)
    assert says in failure.message
    assert failure.detail["type"] == kind


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("def main(:\n  pass", "SyntaxError", 1),
        ("x = 1", "MainMissing", None),
        ("main = 3", "MainMissing", None),
        ("def main(other): return {}", "TypeError", None),
        ("import json\n1 / 0\ndef main(): return {}", "ZeroDivisionError", 2),
        ("\x00", "SyntaxError", 1),
    ],
)
async def test_code_that_cannot_start_says_why(code: str, kind: str, line: int | None) -> None:
    with pytest.raises(CodeFailed) as failure:
        await run_code(PYTHON, code, {})
    assert (failure.value.type, failure.value.line) == (kind, line)


@needs_node
@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("function main() {\n  throw new RangeError('x') }", "RangeError", 2),
        ("async function main() {\n\n  await null; nothing.here }", "ReferenceError", 3),
        ("function main() { return [1] }", "ResultNotObject", None),
        ("function main() { return {a: 0 / 0} }", "ResultNotJSON", None),
        ("function main() { return {a: 'x'.repeat(2e6)} }", "ResultTooLarge", None),
        ("function main() { const a = {}; a.a = a; return a }", "TypeError", None),
        ("let main = 3", "MainMissing", None),
        ("function main( {", "SyntaxError", 1),
        ("function main() { throw 3 }", "Thrown", None),
        ("function main() { process.exit(0) }", "Crashed", None),
    ],
)
async def test_javascript_mistakes_come_back_with_kind_and_line(
    code: str, kind: str, line: int | None
) -> None:
    with pytest.raises(CodeFailed) as failure:
        await run_code(JAVASCRIPT, code, {})
    assert failure.value.type == kind
    assert line is None or failure.value.line == line


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    ],
)
async def test_code_that_does_not_end_is_ended(body: str) -> None:
    start = time.monotonic()
    with pytest.raises(CodeTimeout) as failure:
        await python(body, timeout=0.5)
    assert time.monotonic() - start < 3
    assert failure.value.code == "code_timeout"


@needs_node
@pytest.mark.parametrize("body", ["for (;;) {}", "return new Promise(r => setTimeout(r, 1e6))"])
async def test_javascript_that_does_not_end_is_ended(body: str) -> None:
    with pytest.raises(CodeTimeout):
        await run_code(JAVASCRIPT, f"function main() {{ {body} }}", {}, timeout=1.0)


@pytest.mark.parametrize("language", ["ruby", "", "python2"])
async def test_other_languages_are_refused(language: str) -> None:
    with pytest.raises(LanguageUnavailable) as failure:
        await run_code(language, "def main(): return {}", {})
    assert failure.value.code == "language_unavailable"


async def test_a_machine_weaker_than_demanded_runs_nothing(settings: Settings) -> None:
    settings.CODE_SANDBOX = {"minimum": "full"}
    if level() == Level.FULL:
        assert await run_code(PYTHON, "def main(): return {'a': 1}", {}) == {"a": 1}
    else:
        with pytest.raises(SandboxUnavailable):
            await run_code(PYTHON, "def main(): return {}", {})


# --- what it may not do. Each body of the table returns only if it got out.


def table(name: str) -> dict[str, str]:
    """Bodies by their headings, `### heading`."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.removeprefix("### ").split("\n### "))
    return {heading: body.rstrip("\n") for heading, _, body in parts}


ESCAPES = table("sandbox_escapes.txt")
ESCAPES_JS = table("sandbox_escapes_js.txt")
FORGERIES = table("sandbox_forgeries.txt")
EVERYWHERE = """
import os
for number in range(3, 32):
    try:
        os.write(number, data)
    except OSError:
        pass
os._exit(0)
"""


@pytest.fixture
def canary() -> Iterator[Path]:
    """A file everybody on this machine may read: only the wall protects it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "canary")
        file.write_text(CANARY)
        yield file


@needs_full
@pytest.mark.parametrize("body", ESCAPES.values(), ids=ESCAPES.keys())
async def test_it_does_not_get_out(body: str, canary: Path) -> None:
    settings_file = Path(__file__).parents[2] / "config" / "settings" / "base.py"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        failure = await failure_of(
            body,
            canary=str(canary),
            settings=str(settings_file),
            worker=os.getpid(),
            port=listener.getsockname()[1],
        )
    assert failure.type not in {"NameError", "SyntaxError", "TypeError", "AttributeError"}
    assert failure.code in {"code_failed", "code_timeout"}
    assert canary.read_text() == CANARY
    for place in ("/tmp", "/dev/shm", "/"):
        assert not Path(place, "loomwork-escape").exists()
    assert await python("return {'alive': True}") == {"alive": True}


async def test_it_sees_a_clean_environment_and_no_open_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOOMWORK_CANARY", CANARY)
    launcher.stop()
    outputs = await python(
        """
import os, stat
opened = {}
for number in range(64):
    try:
        opened[str(number)] = stat.S_IFMT(os.fstat(number).st_mode)
    except OSError:
        pass
return {"environ": dict(os.environ), "opened": opened, "uid": os.getuid()}
"""
    )
    assert sorted(outputs["environ"]) == ["HOME", "LANG", "PATH", "TZ"]
    kinds = sorted(outputs["opened"].values())
    assert kinds.count(0o140000) == 1, "its own connection and no other socket"
    assert not [kind for kind in kinds if kind in {0o100000, 0o010000}], "no file, no pipe"
    if os.getuid() == 0:
        assert outputs["uid"] == 61999


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_answers_are_not_believed(forgery: str) -> None:
    failure = await failure_of(forgery + EVERYWHERE)
    assert failure.type in {"BrokenAnswer", "Crashed"}


@needs_node
@pytest.mark.parametrize("body", ESCAPES_JS.values(), ids=ESCAPES_JS.keys())
async def test_javascript_does_not_get_out(body: str) -> None:
    with pytest.raises(CodeFailed) as failure:
        await run_code(JAVASCRIPT, f"async function main() {{ {body} }}", {}, timeout=3.0)
    assert failure.value.type not in {"ReferenceError", "SyntaxError"}
    assert not Path("/tmp/loomwork-escape").exists()


# --- the launcher's life


async def test_a_killed_launcher_is_replaced_and_its_calls_are_made_again() -> None:
    await python("return {}")
    first = launcher.pid
    slow = [
        asyncio.create_task(python("import time; time.sleep(0.5)\nreturn {'n': n}", n=n))
        for n in range(3)
    ]
    await asyncio.sleep(0.2)
    os.kill(first, signal.SIGKILL)
    assert await asyncio.gather(*slow) == [{"n": n} for n in range(3)]
    assert launcher.pid != first


async def test_many_calls_at_once_wait_their_turn(settings: Settings) -> None:
    outputs = await asyncio.gather(*(python("return {'n': n}", n=n) for n in range(200)))
    assert outputs == [{"n": n} for n in range(200)]


async def test_a_cancelled_call_leaves_no_process() -> None:
    task = asyncio.create_task(python("import time; time.sleep(60)"))
    await _until(lambda: len(_children_of(launcher.pid)) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: not _children_of(launcher.pid))


async def test_the_loop_goes_on_while_code_runs() -> None:
    call = asyncio.create_task(python("while True: pass", timeout=0.6))
    launcher.stop()  # even while a new launcher starts
    longest = 0.0
    while not call.done():
        start = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - start)
    assert longest < 0.3
    with pytest.raises(CodeTimeout):
        await call


def test_several_loops_and_threads_share_one_launcher() -> None:
    results: list[dict[str, Any]] = []

    async def calls_of(thread: int) -> None:
        numbers = range(thread * 10, thread * 10 + 5)
        results.extend([await python("return {'n': n}", n=number) for number in numbers])

    threads = [threading.Thread(target=asyncio.run, args=(calls_of(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = sorted(thread * 10 + number for thread in range(4) for number in range(5))
    assert sorted(result["n"] for result in results) == expected


WORKER = """
import asyncio, os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
django.setup()
from workflows.sandbox import run_code
from workflows.sandbox.launcher import launcher

async def main():
    call = asyncio.create_task(run_code("python3", "import time\\ndef main(): time.sleep(60)", {}))
    await run_code("python3", "def main(): return {}", {})
    await asyncio.sleep(0.3)
    print(launcher.pid, flush=True)
    await call

asyncio.run(main())
"""


async def test_a_killed_worker_takes_launcher_and_code_along() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert worker.stdout is not None
    process = int(await asyncio.to_thread(worker.stdout.readline))
    family = [process, *_children_of(process)]
    assert len(family) == 2
    worker.kill()
    worker.wait()
    worker.stdout.close()
    await _until(lambda: not [pid for pid in family if _is_alive(pid)])


async def test_a_fork_of_the_worker_gets_a_launcher_of_its_own() -> None:
    await python("return {}")
    ours = launcher.pid
    child = os.fork()
    if child == 0:
        os._exit(0 if launcher.pid == 0 and not launcher.is_running else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert await python("return {'alive': True}") == {"alive": True}
    assert launcher.pid == ours


def _children_of(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
