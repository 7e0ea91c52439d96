"""DBOS Transact in its fastest way: workflow and steps in one process, no queue between.

Arguments: the address of its database.
"""

import asyncio
import sys

from dbos import DBOS
from talk import OUTPUT, serve

DBOS(
    config={
        "name": "bench",
        "system_database_url": sys.argv[1].replace("postgres://", "postgresql+psycopg://"),
        "log_level": "ERROR",
        "run_admin_server": False,
    }
)


@DBOS.step()
def step(number: int) -> dict[str, object]:
    return OUTPUT


@DBOS.step()
async def async_step(number: int) -> dict[str, object]:
    return OUTPUT


@DBOS.workflow()
def chain(steps: int) -> int:
    for number in range(steps):
        step(number)
    return steps


@DBOS.workflow()
async def async_chain(steps: int) -> int:
    for number in range(steps):
        await async_step(number)
    return steps


@DBOS.workflow()
async def fan(steps: int) -> int:
    return len(await asyncio.gather(*(async_step(number) for number in range(steps))))


def one_chain() -> None:
    assert chain(40) == 40


def many_chains() -> None:
    handles = [DBOS.start_workflow(chain, 10) for _ in range(200)]
    for handle in handles:
        assert handle.get_result(polling_interval_sec=0.01) == 10


def many_async_chains() -> None:
    async def all_of_them() -> None:
        handles = [await DBOS.start_workflow_async(async_chain, 10) for _ in range(200)]
        for handle in handles:
            assert await handle.get_result(polling_interval_sec=0.01) == 10

    asyncio.run(all_of_them())


def one_fan() -> None:
    async def it() -> int:
        handle = await DBOS.start_workflow_async(fan, 100)
        return await handle.get_result(polling_interval_sec=0.005)

    assert asyncio.run(it()) == 100


if __name__ == "__main__":
    DBOS.launch()
    serve({"W1": one_chain, "W2": many_chains, "W2 async": many_async_chains, "W3": one_fan})
    DBOS.destroy()
