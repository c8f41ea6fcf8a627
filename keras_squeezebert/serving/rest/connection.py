"""Connection: uvicorn's, which those who say nothing cannot keep."""

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """A connection that is closed unless a request begins in time.

    uvicorn closes one that is silent after an answer. One that never asked anything,
    that sends the head of a request byte by byte, or that does not take its answer it
    would keep for ever. Between an answer, or the start, and the end of the next head
    there are `head_seconds`; the rest is the application's to limit. The head's size
    is limited by h11, to 64 KiB.
    """

    head_seconds = 10.0

    def connection_made(self, transport):
        super().connection_made(transport)
        self._start_clock()

    def on_response_complete(self):
        super().on_response_complete()
        self._clock.cancel()
        self._start_clock()

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self._clock.cancel()

    def _start_clock(self):
        self._clock = self.loop.call_later(self.head_seconds, self._end_if_idle)

    def _end_if_idle(self):
        if self.cycle is None or self.cycle.response_complete:
            # Not `close`, which waits until all that was written is taken.
            self.transport.abort()
