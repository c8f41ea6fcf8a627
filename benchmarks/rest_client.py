"""Clients of a REST server that cost little, for a process of their own.

They speak HTTP/1.1 through llhttp (package `httptools`), on connections that are kept.
This file imports no more than they need, so that their process is small and quick.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import httptools
import numpy as np

HOST = "127.0.0.1"
TIMEOUT = 120  # seconds; a request that takes longer is lost


class Request(NamedTuple):
    """What is sent, in the process of the clients."""

    path: str
    body: bytes

    def __bytes__(self):
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {HOST}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


class Answer(NamedTuple):
    """What came back; of a request that was lost, status 0 and what went wrong."""

    status: int
    body: bytes
    seconds: float


class Connection(asyncio.Protocol):
    """A connection that carries one request after the other."""

    @classmethod
    async def open(cls, port):
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, HOST, port)
        return connection

    def connection_made(self, transport):
        self.transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._answer = None

    @property
    def is_open(self):
        return not self.transport.is_closing()

    async def ask(self, request):
        """The status and the body that a request is answered with."""
        if not self.is_open:
            raise ConnectionError("The connection was closed.")
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(bytes(request))
        return await self._answer

    def close(self):
        self.transport.close()

    # What asyncio and the parser call.

    def data_received(self, data):
        self._parser.feed_data(data)

    def on_body(self, part):
        self._body += part

    def on_message_complete(self):
        answer = self._parser.get_status_code(), bytes(self._body)
        self._body.clear()
        if not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, error):
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("It was closed."))


async def _asked(connection, request, begun):
    try:
        async with asyncio.timeout(TIMEOUT):
            status, body = await connection.ask(request)
    except OSError as error:  # a TimeoutError and a ConnectionError are some
        connection.close()
        status, body = 0, repr(error).encode()
    return Answer(status, body, time.perf_counter() - begun)


def closed_loop(port: int, requests: Sequence[Request], clients: int) -> list[Answer]:
    """The answers of a server that some clients ask, each as soon as it has an answer.

    Args:
        port: Of the server, on this machine.
        requests: What they ask, of which each client takes the next.
        clients: How many ask at a time, each on a connection of its own.
    """
    answers = [None] * len(requests)
    numbered = iter(enumerate(requests))

    async def client():
        connection = await Connection.open(port)
        for number, request in numbered:
            answers[number] = await _asked(connection, request, time.perf_counter())
            if not connection.is_open:
                connection = await Connection.open(port)
        connection.close()

    async def run():
        await asyncio.gather(*(client() for _ in range(clients)))

    asyncio.run(run())
    return answers


def even_gaps(count: int, per_second: float) -> np.ndarray:
    """Seconds before each request where they come at a constant rate."""
    return np.full(count, 1 / per_second)


def random_gaps(count: int, per_second: float, seed: int = 0) -> np.ndarray:
    """Seconds before each request of a Poisson process, as of many clients."""
    return np.random.default_rng(seed).exponential(1 / per_second, count)


def open_loop(port: int, requests: Sequence[Request], gaps: np.ndarray) -> list[Answer]:
    """The answers to requests that come when they come, whoever still waits.

    Times count from the moment that a request was due: a server, or a client, that
    stops for a while does not make those who would have come then disappear.

    Args:
        port: Of the server, on this machine.
        requests: What is asked, in this order.
        gaps: Seconds before each.
    """
    idle = deque()

    async def client(request, due):
        connection = None
        while idle and connection is None:
            connection = idle.popleft()  # the one that waits longest: none gets old
            connection = connection if connection.is_open else None
        connection = connection or await Connection.open(port)
        answer = await _asked(connection, request, due)
        idle.append(connection)
        return answer

    async def run():
        begun = time.perf_counter()
        tasks = []
        for request, due in zip(requests, begun + np.cumsum(gaps), strict=True):
            await asyncio.sleep(due - time.perf_counter())
            tasks.append(asyncio.create_task(client(request, due)))
        answers = await asyncio.gather(*tasks)
        for connection in idle:
            connection.close()
        return answers

    return asyncio.run(run())


class _Silent(asyncio.Protocol):
    """A connection that begins a request, perhaps, and never ends it."""

    def __init__(self, beginning):
        self.beginning = beginning
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.beginning)

    def connection_lost(self, error):
        self.closed.set_result(time.perf_counter())


# What a silent client has said: nothing, half of a head, a head without its body.
BEGINNINGS = (
    b"",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-",
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{",
)


def among_silent(
    port: int, count: int, requests: Sequence[Request], clients: int, patience: float
) -> tuple[list[Answer], int, list[float]]:
    """As `closed_loop`, while others keep connections open and say nothing, or half.

    Args:
        port: Of the server, on this machine.
        count: How many are silent.
        requests: What the other clients ask.
        clients: How many these are.
        patience: Seconds to wait for the server to close the silent ones.

    Returns:
        The answers; how many silent ones were open still when the last one came; and
        after how many seconds each of them was closed, of those that were.
    """

    async def run():
        loop = asyncio.get_running_loop()
        begun, silent = [], []
        path = requests[0].path.encode()
        for number in range(count):
            beginning = BEGINNINGS[number % len(BEGINNINGS)].replace(b"%s", path)
            _, protocol = await loop.create_connection(
                lambda beginning=beginning: _Silent(beginning), HOST, port
            )
            begun.append(time.perf_counter())
            silent.append(protocol)
        answers = await asyncio.to_thread(closed_loop, port, requests, clients)
        still = sum(not protocol.closed.done() for protocol in silent)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.wait([protocol.closed for protocol in silent])
        seconds = [
            protocol.closed.result() - start
            for protocol, start in zip(silent, begun, strict=True)
            if protocol.closed.done()
        ]
        for protocol in silent:
            protocol.transport.close()
        return answers, still, seconds

    return asyncio.run(run())
