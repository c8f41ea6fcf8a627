"""Batcher: the rows of requests that wait for the model run together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_squeezebert.json_arrays import Arrays, joined


class Overloaded(Exception):
    """As many requests wait as may."""


class Batcher:
    """Takes requests while the model is busy, and runs those that wait as one batch.

    A request that finds the model idle runs at once: nobody waits for others to come.
    The more of them there are, the larger the batches get by themselves.

    Args:
        run: From arrays, by name, with a first axis of rows to arrays with as many
            rows. It runs in a thread of its own, one batch after the other.
        max_rows: Most rows of a batch; a request of more runs alone.
        max_waiting: How many requests may wait.

    Example:
        >>> async def two_requests():
        ...     batcher = Batcher(lambda inputs: {"twice": 2 * inputs["x"]})
        ...     requests = (batcher({"x": np.array([i])}) for i in (1, 2))
        ...     answers = await asyncio.gather(*requests)
        ...     await batcher.close()
        ...     return [answer["twice"].tolist() for answer in answers]
        >>> asyncio.run(two_requests())
        [[2], [4]]
    """

    def __init__(
        self,
        run: Callable[[Arrays], Arrays],
        max_rows: int = 32,
        max_waiting: int = 256,
    ):
        self._run = run
        self._max_rows = max_rows
        self._waiting = asyncio.Queue(max_waiting)
        self._thread = ThreadPoolExecutor(1)
        self._worker = None

    async def __call__(self, inputs: Arrays) -> Arrays:
        """The answers to a request.

        Raises:
            Overloaded: Too many wait already.
            Exception: What `run` raises for this request alone.
        """
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        answer = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((inputs, answer))
        except asyncio.QueueFull:
            raise Overloaded(
                f"{self._waiting.maxsize} requests wait already. Try again later."
            ) from None
        return await answer

    async def close(self) -> None:
        """Ends when all that was taken is answered."""
        await self._waiting.join()
        if self._worker is not None:
            self._worker.cancel()
        self._thread.shutdown()

    async def _work(self):
        left = None
        while True:
            batch = [left or await self._waiting.get()]
            rows, left = _rows(batch[0][0]), None
            while left is None and not self._waiting.empty():
                request = self._waiting.get_nowait()
                rows += _rows(request[0])
                if rows > self._max_rows:
                    left = request
                else:
                    batch.append(request)
            # A client that is gone wants no answer.
            wanted = [request for request in batch if not request[1].cancelled()]
            if wanted:
                await self._answer(wanted)
            for _ in batch:
                self._waiting.task_done()

    async def _answer(self, batch):
        loop = asyncio.get_running_loop()
        inputs = [inputs for inputs, _ in batch]
        try:
            together = joined(inputs)
            outputs = await loop.run_in_executor(self._thread, self._run, together)
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0][1], error=error)
                return
            # One of them is at fault: the others shall not suffer from it.
            for request in batch:
                await self._answer([request])
            return
        ends = np.cumsum([_rows(x) for x in inputs])
        parts = {name: np.split(x, ends[:-1]) for name, x in outputs.items()}
        for number, (_, answer) in enumerate(batch):
            _settle(answer, {name: of_name[number] for name, of_name in parts.items()})


def _settle(answer, result=None, error=None):
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _rows(inputs):
    return len(next(iter(inputs.values())))
