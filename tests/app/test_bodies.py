"""How bodies come into memory: no more than there is room for, and none for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from app.http.bodies import NO_ROOM, TOO_SLOW, Arrivals, BodyError, Disconnected
from app.http.routes import JSON_BYTES

Message = dict[str, object]
Result = TypeVar("Result")


def run(act: Coroutine[Any, Any, Result]) -> Result:
    """In a thread of its own: that of the browser tests has a loop running already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, act).result()


def sender(*parts: bytes, pause: float = 0.0) -> Callable[[], Awaitable[Message]]:
    """Sends the parts, one after the other, and then nothing more."""
    waiting = list(parts)

    async def receive() -> Message:
        await asyncio.sleep(pause if waiting else 60)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": True}

    return receive


def whole(data: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    return receive


async def taken(arrivals: Arrivals, *given: object) -> bytes:
    async with arrivals.body(*given) as body:  # type: ignore[arg-type]
        return body


def refused(arrivals: Arrivals, *given: object) -> BodyError:
    with pytest.raises(BodyError) as caught:
        run(taken(arrivals, *given))
    return caught.value


def test_a_body_comes_whole_and_gives_its_room_back() -> None:
    arrivals = Arrivals(100)
    assert run(taken(arrivals, whole(b"abc"), 3, 50)) == b"abc"
    assert arrivals.free == 100


def test_what_is_too_large_is_refused_before_or_while_it_comes() -> None:
    arrivals = Arrivals(100)
    assert refused(arrivals, whole(b""), 51, 50).status == 413
    assert refused(arrivals, sender(b"x" * 30, b"x" * 30), None, 50).status == 413
    assert arrivals.free == 100


def test_a_sender_that_falls_silent_or_dawdles_is_given_up() -> None:
    arrivals = Arrivals(JSON_BYTES, silent=0.2)
    silent = refused(arrivals, sender(b"x"), 100, 100)
    assert (silent.status, str(silent)) == (408, TOO_SLOW)
    slow = refused(arrivals, sender(*[b"x"] * 50, pause=0.05), 100, 100)
    assert slow.status == 408
    assert arrivals.free == JSON_BYTES


def test_all_bodies_together_have_room_and_the_others_wait() -> None:
    async def act() -> list[str]:
        arrivals, order = Arrivals(100, wait=0.3), []

        async def hold(name: str, size: int, seconds: float) -> None:
            async with arrivals.body(whole(b"x" * size), size, 100):
                order.append(name)
                await asyncio.sleep(seconds)

        async with asyncio.TaskGroup() as group:
            group.create_task(hold("first", 60, 0.15))
            await asyncio.sleep(0.02)
            group.create_task(hold("second", 60, 0.6))
            group.create_task(hold("small", 30, 0))
            await asyncio.sleep(0.2)
            with pytest.raises(BodyError, match=NO_ROOM):
                await taken(arrivals, whole(b"x" * 60), 60, 100)
        assert arrivals.free == 100
        return order

    assert run(act()) == ["first", "small", "second"]


def test_bodies_that_fill_the_room_give_way_and_lose_none_of_it() -> None:
    """Each half there and none can go on: whoever gives up lets the others through."""

    async def act() -> list[BaseException | bytes]:
        arrivals = Arrivals(100, wait=0.8)

        def halves(pause: float) -> Callable[[], Awaitable[Message]]:
            waiting = [b"x" * 45, b"x" * 45]

            async def receive() -> Message:
                await asyncio.sleep(pause)
                return {"type": "http.request", "body": waiting.pop(), "more_body": bool(waiting)}

            return receive

        sent = [taken(arrivals, halves(pause), 90, 100) for pause in (0.3, 0.5)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert arrivals.free == 100
        return answers

    first, second = run(act())
    assert isinstance(first, BodyError)
    assert second == b"x" * 90


def test_a_sender_that_goes_leaves_nothing() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    arrivals = Arrivals(100)
    with pytest.raises(Disconnected):
        run(taken(arrivals, gone, 10, 50))
    assert arrivals.free == 100
