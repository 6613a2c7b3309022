"""How a run can fail.

A method module raises Input for what the job or the data must change; the rest
is found out by run.py.
"""

DONE, INPUT, INTERNAL, OUT_OF_MEMORY, STOPPED = 0, 64, 70, 71, 75


class Fault(Exception):
    """An end with the class that the error event names and the exit code."""

    kind, code = "internal", INTERNAL


class Input(Fault):
    """The job, the model or the data is wrong; another attempt would fail in the same way."""

    kind, code = "input", INPUT


class Diverged(Fault):
    """The loss or the gradient is no longer a number."""

    kind, code = "diverged", INTERNAL


class OutOfMemory(Fault):
    """The micro-batch does not fit."""

    kind, code = "out_of_memory", OUT_OF_MEMORY


class Stopped(BaseException):
    """SIGTERM. Not an Exception, so that a library's handler cannot swallow it."""


# How torch, CUDA's libraries and the C++ runtime report a lack of memory if they
# raise no type of their own.
_SHORT = (
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "alloc_failed",
    "std::bad_alloc",
    "failed to map segment",
)


def is_out_of_memory(e: BaseException) -> bool:
    """Whether an exception, or one that caused it, means that memory ran out."""
    while e is not None:
        if isinstance(e, MemoryError) or type(e).__name__ == "OutOfMemoryError":
            return True
        if isinstance(e, (RuntimeError, OSError, ImportError)):
            text = str(e).lower()
            if any(s in text for s in _SHORT):
                return True
        e = e.__cause__ or e.__context__
    return False
