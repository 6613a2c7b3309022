"""The lines on descriptor 3."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

_IMPORTED = time.monotonic()


def elapsed() -> float:
    """Seconds since this process began: the basis of its GPU cost."""
    try:
        # Field 22 is the start in clock ticks since boot; the name before may hold spaces.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, AttributeError, ValueError, IndexError):  # not Linux
        return time.monotonic() - _IMPORTED


class Events:
    """Writes one JSON object per line. If the reader has gone, SIGPIPE or EPIPE ends the run:
    nothing would store the result."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    def write(self, event: str, **fields: Any) -> None:
        """One event; numbers that are not finite become null."""
        fields = {"event": event, **fields, "elapsed": round(elapsed(), 3)}
        line = json.dumps(finite(fields), allow_nan=False) + "\n"
        data = line.encode()
        while data:
            data = data[os.write(self._descriptor, data) :]

    def phase(self, name: str) -> None:
        """The current phase: load, data, evaluate, train, save."""
        self.write("phase", phase=name)


def finite(value: Any) -> Any:
    """The value with null in place of numbers that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
