"""Batcher: every request gets its own answer, in batches as large as the load."""

import asyncio
import threading

import numpy as np
import pytest

from keras_squeezebert.serving.rest.batcher import Batcher, Overloaded


def texts(*rows):
    return {"x": np.array(rows, object)}


class Model:
    """Gives back what it gets, when it is let; fails where a row is b"bad"."""

    def __init__(self, is_open=True):
        self.batches = []
        self.gate = threading.Event()
        self.begun = threading.Event()
        if is_open:
            self.gate.set()

    def __call__(self, inputs):
        self.begun.set()
        assert self.gate.wait(10)
        rows = inputs["x"].tolist()
        self.batches.append(len(rows))
        if b"bad" in np.ravel(inputs["x"]).tolist():
            raise ValueError("a bad row")
        return {"y": inputs["x"], "count": np.full(len(rows), len(rows))}


def gathered(model, requests, **options):
    """What all requests are answered, the first of which finds the model idle."""

    async def run():
        batcher = Batcher(model, **options)
        first = asyncio.create_task(batcher(requests[0]))
        await asyncio.to_thread(model.begun.wait, 10)
        others = [asyncio.create_task(batcher(request)) for request in requests[1:]]
        await asyncio.sleep(0)
        model.gate.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        await batcher.close()
        return answers

    return asyncio.run(run())


def test_those_that_wait_run_together():
    model = Model(is_open=False)
    requests = [texts(*[b"%d" % i] * (1 + i % 3)) for i in range(20)]
    answers = gathered(model, requests, max_rows=8)
    for request, answer in zip(requests, answers, strict=True):
        assert answer["y"].tolist() == request["x"].tolist()
    assert model.batches[0] == 1
    assert sum(model.batches) == sum(len(request["x"]) for request in requests)
    assert max(model.batches) <= 8
    assert len(model.batches) < 8


def test_a_large_request_runs_alone():
    model = Model(is_open=False)
    requests = [texts(b"a"), texts(b"b"), texts(*[b"c"] * 9), texts(b"d")]
    answers = gathered(model, requests, max_rows=4)
    assert [len(answer["y"]) for answer in answers] == [1, 1, 9, 1]
    assert model.batches == [1, 1, 9, 1]


def test_rows_of_other_widths_are_filled_up():
    model = Model(is_open=False)
    requests = [texts([b"a"]), texts([b"b", b"c"]), texts([b"d"])]
    answers = gathered(model, requests)
    assert answers[1]["y"].tolist() == [[b"b", b"c"]]
    assert answers[2]["y"].tolist() == [[b"d", b""]]


def test_others_do_not_suffer_from_a_bad_one():
    model = Model(is_open=False)
    requests = [texts(b"a"), texts(b"b"), texts(b"bad"), texts(b"c")]
    answers = gathered(model, requests)
    assert [a["y"].tolist() for a in answers if isinstance(a, dict)] == [
        *([b"a"], [b"b"], [b"c"])
    ]
    assert isinstance(answers[2], ValueError)


def test_too_many_are_refused_at_once():
    model = Model(is_open=False)
    answers = gathered(model, [texts(b"a")] * 6, max_waiting=3)
    refused = [isinstance(answer, Overloaded) for answer in answers]
    assert refused == [False] * 4 + [True] * 2


def test_who_is_gone_is_not_answered():
    async def run():
        model = Model(is_open=False)
        batcher = Batcher(model)
        tasks = [asyncio.create_task(batcher(texts(b"0")))]
        await asyncio.to_thread(model.begun.wait, 10)
        tasks += [asyncio.create_task(batcher(texts(b"%d" % i))) for i in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.sleep(0)
        model.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return model.batches, answers

    batches, answers = asyncio.run(run())
    assert batches == [1, 2]
    assert isinstance(answers[2], asyncio.CancelledError)
    assert answers[3]["y"].tolist() == [b"3"]


def test_it_closes_when_all_are_answered():
    async def run():
        model = Model(is_open=False)
        batcher = Batcher(model)
        tasks = [asyncio.create_task(batcher(texts(b"%d" % i))) for i in range(4)]
        await asyncio.to_thread(model.begun.wait, 10)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        assert not closing.done()
        model.gate.set()
        await closing
        return [task.done() for task in tasks]

    assert asyncio.run(run()) == [True] * 4


def test_one_that_was_never_asked_closes():
    async def run():
        await Batcher(Model()).close()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


@pytest.mark.parametrize("seed", range(3))
def test_none_is_lost_or_mixed_up(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, 300)

    async def run():
        batcher = Batcher(Model(), max_rows=7, max_waiting=1000)

        async def client(number, count):
            await asyncio.sleep(float(rng.random()) / 50)
            rows = [b"%d.%d" % (number, row) for row in range(count)]
            return rows, (await batcher(texts(*rows)))["y"].tolist()

        pairs = await asyncio.gather(*map(client, range(300), counts.tolist()))
        await batcher.close()
        return pairs

    assert all(asked == given for asked, given in asyncio.run(run()))
