"""python -m trainer JOB.json 3>events"""

import contextlib
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from . import job as jobs
from .events import Events
from .fault import DONE, INPUT, INTERNAL, OUT_OF_MEMORY, STOPPED, Fault, Stopped, is_out_of_memory
from .stop import Stop

EVENTS = 3


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m trainer JOB.json 3>events", file=sys.stderr)
        return INPUT
    try:
        os.fstat(EVENTS)
    except OSError:
        print("trainer: descriptor 3 is not open; events go there", file=sys.stderr)
        return INPUT
    events, stop = Events(EVENTS), Stop()
    try:
        stop.listen()
        with stop.at_once():
            job = jobs.read(arguments[0])
            isolate(job)
            hide_unused(job)
            from . import run  # imports torch, so only after the environment is set
        run.run(job, events, stop)
    except Stopped:
        return STOPPED
    except Fault as e:
        return _fail(events, e.kind, str(e), e.code)
    except Exception as e:
        if is_out_of_memory(e):
            return _fail(events, "out_of_memory", f"out of memory: {e}", OUT_OF_MEMORY)
        traceback.print_exc()
        return _fail(events, "internal", f"{type(e).__name__}: {e}", INTERNAL)
    return DONE


def _fail(events: Events, kind: str, message: str, code: int) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the process is ending for another reason
    print(f"trainer: {message}", file=sys.stderr)
    with contextlib.suppress(OSError):  # the reader may have gone
        events.write("error", **{"class": kind}, message=message)
    return code


def isolate(job: jobs.Job) -> None:
    """Keep libraries offline, silent, deterministic and within the work_dir.

    They read these variables when they are imported.
    """
    scratch = Path(job.work_dir) / "tmp"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise jobs.Input(f"job.work_dir: cannot write there: {e}") from e
    fixed = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "WANDB_DISABLED": "true",
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "USE_TF": "0",
    }
    os.environ.update(fixed)
    places = {
        "HOME": "home",
        "TMPDIR": "tmp",
        "HF_HOME": "hf",
        "XDG_CACHE_HOME": "cache",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
    }
    for variable, name in places.items():
        (scratch / name).mkdir(exist_ok=True)
        os.environ[variable] = str(scratch / name)


def hide_unused(job: jobs.Job) -> None:
    """Let libraries find bitsandbytes and scikit-learn only where the job needs them: wherever they
    are installed they would be imported, which takes three seconds and 200 MB."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for kernels to download
    if not job.config.load_in_4bit:
        sys.modules.setdefault("bitsandbytes", None)
    if job.method != "embedding":  # sentence-transformers needs it
        sys.modules.setdefault("sklearn", None)


def leave(code: int) -> NoReturn:
    """Exit immediately: unloading an interpreter with torch takes seconds, which
    are paid GPU time. The reader ends the rest of the process group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the reader may have gone
        Events(EVENTS).phase("end")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
