"""Group commit: batching, order, isolation of a bad item, cancellation, closing."""

import asyncio

import pytest

from core.groupcommit import CommitterClosed, GroupCommitter


class Table:
    """A slow durable store that remembers every batch it was given."""

    def __init__(self, poison: str = "", delay: float = 0.01) -> None:
        self.batches: list[list[str]] = []
        self.poison = poison
        self.delay = delay

    @property
    def written(self) -> list[str]:
        return [item for batch in self.batches for item in batch]

    async def write(self, items: list[str]) -> list[str | Exception]:
        await asyncio.sleep(self.delay)
        if self.poison in items:
            raise ValueError(f"constraint broken by {self.poison}")
        self.batches.append(items)
        return [item.upper() for item in items]


async def test_callers_that_arrive_during_a_write_share_the_next_one() -> None:
    table = Table()
    committer = GroupCommitter(table.write)
    first = asyncio.create_task(committer.put("first"))
    await asyncio.sleep(0.002)
    rest = [asyncio.create_task(committer.put(f"r{n}")) for n in range(50)]
    assert await asyncio.gather(first, *rest) == ["FIRST", *(f"R{n}" for n in range(50))]
    assert table.batches == [["first"], [f"r{n}" for n in range(50)]]


async def test_an_idle_committer_writes_at_once() -> None:
    table = Table()
    committer = GroupCommitter(table.write)
    assert await committer.put("a") == "A"
    assert await committer.put("b") == "B"
    assert table.batches == [["a"], ["b"]]


async def test_items_are_written_in_order_of_arrival_and_no_batch_is_too_large() -> None:
    table = Table(delay=0)
    committer = GroupCommitter(table.write, max_batch=4)
    await asyncio.gather(*(committer.put(f"{n:02}") for n in range(10)))
    assert table.written == [f"{n:02}" for n in range(10)]
    assert [len(batch) for batch in table.batches] == [4, 4, 2]


async def test_a_bad_item_fails_alone() -> None:
    table = Table(poison="bad")
    committer = GroupCommitter(table.write)
    outcomes = await asyncio.gather(
        *(committer.put(item) for item in ("a", "bad", "c")), return_exceptions=True
    )
    assert outcomes[0] == "A"
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == "C"
    assert table.batches == [["a"], ["c"]]


async def test_an_outcome_that_is_an_exception_reaches_its_caller_alone() -> None:
    async def flush(items: list[int]) -> list[int | Exception]:
        return [LookupError(str(item)) if item < 0 else item * 2 for item in items]

    committer = GroupCommitter(flush)
    outcomes = await asyncio.gather(*(committer.put(n) for n in (1, -1, 3)), return_exceptions=True)
    assert outcomes[0] == 2
    assert isinstance(outcomes[1], LookupError)
    assert outcomes[2] == 6


async def test_a_cancelled_caller_does_not_take_its_item_along() -> None:
    table = Table()
    committer = GroupCommitter(table.write)
    first = asyncio.create_task(committer.put("first"))
    await asyncio.sleep(0.002)
    queued = asyncio.create_task(committer.put("queued"))
    other = asyncio.create_task(committer.put("other"))
    await asyncio.sleep(0)
    queued.cancel()
    first.cancel()
    assert await other == "OTHER"
    assert queued.cancelled()
    assert first.cancelled()
    assert table.written == ["first", "queued", "other"]


async def test_closing_drains_what_was_taken_and_refuses_the_rest() -> None:
    table = Table()
    committer = GroupCommitter(table.write)
    waiting = [asyncio.create_task(committer.put(f"{n}")) for n in range(3)]
    await asyncio.sleep(0)
    await committer.close()
    assert table.written == ["0", "1", "2"]
    assert await asyncio.gather(*waiting) == ["0", "1", "2"]
    with pytest.raises(CommitterClosed):
        await committer.put("late")
    assert table.written == ["0", "1", "2"]


async def test_a_flush_that_forgets_an_outcome_is_reported_and_not_repeated() -> None:
    calls = []

    async def flush(items: list[int]) -> list[int | Exception]:
        calls.append(items)
        return [1]

    committer = GroupCommitter(flush)
    outcomes = await asyncio.gather(*(committer.put(n) for n in (1, 2)), return_exceptions=True)
    assert [type(outcome).__mro__[1] for outcome in outcomes] == [RuntimeError, RuntimeError]
    assert calls == [[1, 2]]


async def test_the_end_of_the_loop_leaves_nobody_waiting() -> None:
    never = asyncio.Event()

    async def flush(items: list[int]) -> list[int | Exception]:
        await never.wait()
        return list(items)

    committer = GroupCommitter(flush)
    waiting = [asyncio.create_task(committer.put(n)) for n in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task(), *waiting}:
        task.cancel()
    done, pending = await asyncio.wait(waiting, timeout=1)
    assert not pending
    assert all(task.cancelled() for task in done)
