"""Live hints reach whoever listens, and nobody else; on Redis between event loops too."""

import asyncio
import threading

import pytest
from django.conf import settings

from core.bus import QUEUE_LENGTH, LocalBus, RedisBus

pytestmark = pytest.mark.services
BUSES = [LocalBus, *([lambda: RedisBus(settings.REDIS_URL)] if settings.REDIS_URL else [])]


@pytest.fixture(params=BUSES, ids=["local", "redis"][: len(BUSES)])
def bus(request):
    return request.param()


async def settle():
    """A subscription on Redis takes a moment; a message sent before it is lost by design."""
    await asyncio.sleep(0.3)


async def test_a_listener_hears_its_channel_in_order(bus):
    async with bus.listen("run:a") as inbox, bus.listen("run:b") as other:
        await settle()
        for n in range(3):
            bus.publish("run:a", {"seq": n})

        heard = [await inbox.next(2.0) for _ in range(3)]

        assert heard == [{"seq": 0}, {"seq": 1}, {"seq": 2}]
        assert await other.next(0.05) is None


async def test_two_listeners_hear_the_same(bus):
    async with bus.listen("run:a") as one, bus.listen("run:a") as two:
        await settle()
        bus.publish("run:a", {"seq": 1})

        assert await one.next(2.0) == await two.next(2.0) == {"seq": 1}


async def test_who_has_left_hears_nothing_and_costs_nothing(bus):
    async with bus.listen("run:a"):
        await settle()

    bus.publish("run:a", {"seq": 1})
    await settle()

    async with bus.listen("run:a") as inbox:
        assert await inbox.next(0.05) is None


async def test_a_message_crosses_from_another_threads_loop(bus):
    async with bus.listen("run:a") as inbox:
        await settle()

        async def speak():
            bus.publish("run:a", {"seq": 7})
            await asyncio.sleep(0.3)

        speaker = threading.Thread(target=asyncio.run, args=(speak(),))
        speaker.start()

        assert await inbox.next(3.0) == {"seq": 7}
        await asyncio.to_thread(speaker.join)


async def test_a_slow_listener_loses_the_oldest_hints_only():
    bus = LocalBus()
    async with bus.listen("run:a") as inbox:
        for n in range(QUEUE_LENGTH + 10):
            bus.publish("run:a", {"seq": n})
        await asyncio.sleep(0)

        assert await inbox.next(1.0) == {"seq": 10}


async def test_an_absent_redis_is_survived():
    bus = RedisBus("redis://127.0.0.1:9/0")

    bus.publish("run:a", {"seq": 1})
    await asyncio.sleep(0.2)
    bus.publish("run:a", {"seq": 2})
    await asyncio.sleep(0.2)


async def slam(reader, writer):
    """A server that hangs up on whoever has said a word."""
    await reader.read(10)
    writer.transport.abort()


@pytest.mark.parametrize("steps", range(16))
async def test_a_listener_that_is_ended_while_it_connects_ends(steps):
    """The client turns some into time-outs; retried, they would never let the loop close."""
    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = asyncio.all_tasks()
    async with RedisBus(f"redis://127.0.0.1:{port}/0").listen("run:a"):
        (reader,) = asyncio.all_tasks() - before
        for _step in range(steps):
            await asyncio.sleep(0)

        reader.cancel()
        done, _pending = await asyncio.wait({reader}, timeout=2)

        assert done == {reader}
        assert reader.cancelled()
    server.close()


# -- with Redis


class Between:
    """Passes bytes on to the real Redis; all its connections can be cut at once."""

    def __init__(self):
        self.opened = 0
        self._writers = set()

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        return f"redis://127.0.0.1:{port}/{settings.REDIS_URL.rpartition('/')[2]}"

    async def _serve(self, reader, writer):
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", 6379)
        self._writers |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    @staticmethod
    async def _pass(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    def cut(self):
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


needs_redis = pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis")


@needs_redis
async def test_many_batches_go_out_by_one_connection():
    between = Between()
    bus = RedisBus(await between.start())
    for n in range(20):
        bus.publish("run:a", {"seq": n})
        await asyncio.sleep(0.02)

    assert between.opened == 1


@needs_redis
async def test_listeners_and_speakers_survive_a_restart():
    between = Between()
    bus = RedisBus(await between.start())
    async with bus.listen("run:a") as inbox, bus.listen("run:b") as other:
        await settle()
        bus.publish("run:a", {"seq": 1})
        assert await inbox.next(2.0) == {"seq": 1}

        between.cut()
        await asyncio.sleep(2.5)
        bus.publish("run:a", {"seq": 2})
        bus.publish("run:b", {"seq": 3})

        assert await inbox.next(3.0) == {"seq": 2}
        assert await other.next(3.0) == {"seq": 3}
    between.cut()


@needs_redis
async def test_a_loop_is_subscribed_to_what_is_wanted_there_alone():
    bus = RedisBus(settings.REDIS_URL)
    async with bus.listen("run:a") as inbox:
        await settle()
        async with bus.listen("run:b"):
            await settle()
            (reader,) = bus._readers.values()
            names = {
                name.decode().removeprefix("loomwork:live:") for name in reader._channels.channels
            }
            assert names == {"", "run:a", "run:b"}
        await settle()
        names = {name.decode().removeprefix("loomwork:live:") for name in reader._channels.channels}
        assert names == {"", "run:a"}

        def second():
            async def hear():
                async with bus.listen("run:a") as mine:
                    await settle()
                    bus.publish("run:a", {"seq": 9})
                    return [await mine.next(1.0), await mine.next(0.3)]

            return asyncio.run(hear())

        assert await asyncio.to_thread(second) == [{"seq": 9}, None]
        assert [await inbox.next(1.0), await inbox.next(0.3)] == [{"seq": 9}, None]
