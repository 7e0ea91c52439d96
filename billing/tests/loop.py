"""Running the ledger from a plain test: one event loop a call, closed like a process at its end."""

import asyncio

from billing.ledger import close_ledger, get_ledger


def run(work):
    """Run `work` (an async function without arguments) and return its result."""

    async def main():
        try:
            return await work()
        finally:
            await close_ledger()

    return asyncio.run(main())


def hold(*requests):
    """Place holds at once; their outcomes in order."""

    async def work():
        return await asyncio.gather(*(get_ledger().hold(request) for request in requests))

    return run(work)


def settle(*settlements):
    async def work():
        return await asyncio.gather(*(get_ledger().settle(item) for item in settlements))

    return run(work)
