"""SIGTERM."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from .fault import Stopped


class Stop:
    """Remembers that the process was asked to stop.

    If no work would be lost, the process ends at once (at_once). During training it
    completes the current step and writes a checkpoint first.
    """

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False

    def listen(self) -> None:
        """Take SIGTERM from here on."""
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        self.requested = True
        if self._at_once:
            raise Stopped

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this context, SIGTERM raises fault.Stopped."""
        was, self._at_once = self._at_once, True
        try:
            if self.requested:
                raise Stopped
            yield
        finally:
            self._at_once = was
