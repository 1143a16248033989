"""One thread that calls functions later: retries and watchdogs of a stream."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

LATE = 0.25
"""A wait this many seconds late says that our own process was held, not that a peer was silent."""
_JOIN_SECONDS = 2.0


class Timer:
    def __init__(self, due: float, run: Callable[[], None]) -> None:
        self.due = due
        self.run: Callable[[], None] | None = run

    def cancel(self) -> None:
        self.run = None


class Timers:
    """Functions are called on the one thread, without a lock, each at most once. Close it to end the thread."""

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def after(self, seconds: float, run: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, run)
        with self._changed:
            heapq.heappush(self._heap, (timer.due, next(self._order), timer))
            self._changed.notify()
        return timer

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_SECONDS)

    def _loop(self) -> None:
        while (run := self._next()) is not None:
            run()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                while self._heap and self._heap[0][2].run is None:
                    heapq.heappop(self._heap)
                now = time.monotonic()
                if not self._heap:
                    self._changed.wait()
                elif self._heap[0][0] > now:
                    self._changed.wait(self._heap[0][0] - now)
                else:
                    timer = heapq.heappop(self._heap)[2]
                    run, timer.run = timer.run, None
                    if run is not None:
                        return run
            return None


class Watchdog:
    """Calls `expire` once `seconds` have passed without a `feed`. Time in which this process was held (stopped, or one
    thread kept the interpreter) does not count: what arrived meanwhile is still to be read."""

    def __init__(self, timers: Timers, seconds: float, expire: Callable[[], None]) -> None:
        self._timers = timers
        self._seconds = seconds
        self._expire = expire
        self._fed = time.monotonic()
        self._stopped = False
        self._arm(seconds)

    def feed(self) -> None:
        self._fed = time.monotonic()

    def stop(self) -> None:
        self._stopped = True
        self._timer.cancel()

    def _arm(self, seconds: float) -> None:
        self._timer = self._timers.after(seconds, self._check)

    def _check(self) -> None:
        if self._stopped:
            return
        now = time.monotonic()
        if now - self._timer.due > LATE:
            self._fed = now
        left = self._fed + self._seconds - now
        if left > 0:
            self._arm(left)
        else:
            self._expire()
