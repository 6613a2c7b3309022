"""Runs the real program in processes of its own, which can be killed.

They are forked from a server that has the libraries loaded, so that one costs no import. A
child may connect nowhere, and no Python code in it may open a file for writing outside of
its work_dir.
"""

import json
import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["process_libraries"])


def attempt(document: dict, **options) -> tuple[int, list[dict]]:
    """Run a job to its end and return exit code (negative = signal) and events.

    Options say how it is disturbed: kill=(point, n) sends itself SIGKILL at the n-th time at a
    point (below), term=n SIGTERM in the n-th step, patch names one of the functions below,
    memory limits what it may allocate beyond what it has, in bytes.
    """
    work_dir = Path(document["work_dir"])
    work_dir.mkdir(parents=True, exist_ok=True)
    job, events = work_dir / "job.json", work_dir / "events.jsonl"
    job.write_text(json.dumps(document))
    events.write_bytes(b"")
    p = _context.Process(target=_child, args=(str(job), str(events), options))
    p.start()
    p.join()
    return p.exitcode, [json.loads(line) for line in events.read_text().splitlines()]


def _child(job: str, events: str, options: dict) -> None:
    from trainer import __main__ as program

    os.dup2(os.open(events, os.O_WRONLY | os.O_APPEND), program.EVENTS)
    _guard(os.path.dirname(job))
    if "kill" in options:
        _kill(*options["kill"])
    if "term" in options:
        _term(options["term"])
    if "patch" in options:
        globals()[options["patch"]]()
    if "memory" in options:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + options["memory"],) * 2)
    sys.stderr = open(os.path.join(os.path.dirname(job), "stderr.txt"), "w")
    code = program.main([job])
    sys.stderr.flush()
    os._exit(code)


def _guard(work_dir: str) -> None:
    def hook(event, args):
        if event in ("socket.connect", "socket.sendto"):
            os.write(2, f"connect {args}\n".encode())
            os._exit(99)
        if event == "open" and isinstance(args[0], str) and isinstance(args[2], int):
            path = os.path.abspath(args[0])
            writes = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not path.startswith((work_dir + "/", "/dev/", "/proc/")):
                os.write(2, f"writes {path}\n".encode())
                os._exit(98)

    sys.addaudithook(hook)


def _kill(point: str, n: int) -> None:
    """Points: step (after its event), sync (a file of a checkpoint was just written), rename
    (a checkpoint is made but not named), publish."""
    from trainer import checkpoint, run, session

    left = [n]

    def count():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(f):
        def g(*args, **named):
            result = f(*args, **named)
            count()
            return result

        return g

    def before(f):
        def g(*args, **named):
            count()
            return f(*args, **named)

        return g

    if point == "step":
        session.Session._report = after(session.Session._report)
    elif point == "sync":
        checkpoint.sync = before(checkpoint.sync)
    elif point == "rename":
        checkpoint.Path.rename = before(checkpoint.Path.rename)
    elif point == "publish":
        run._publish = before(run._publish)
    else:
        raise ValueError(point)


def _term(n: int) -> None:
    from trainer import durable

    step, seen = durable.Durable.training_step, [0]

    def f(self, *args, **named):
        seen[0] += 1
        if seen[0] == n:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *args, **named)

    durable.Durable.training_step = f


# Patches.


def forget_optimizer() -> None:
    from trainer import durable

    def load(self, folder):
        document = durable._document(folder)
        self.lr_scheduler.load_state_dict(document["scheduler"])

    durable.Durable._load_optimizer_and_scheduler = load


def forget_random() -> None:
    from trainer import durable

    durable.Durable._load_rng_state = lambda self, folder: None


def forget_position() -> None:
    from trainer import run

    arguments = run.arguments
    run.arguments = lambda job: {**arguments(job), "ignore_data_skip": True}


def out_of_memory() -> None:
    import torch

    from trainer import durable

    def f(self, *args, **named):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    durable.Durable.training_step = f


def stop_while_loading() -> None:
    from trainer import data

    def read(job):
        os.kill(os.getpid(), signal.SIGTERM)

    data.read = read


def stop_in_second_evaluation() -> None:
    """The first is that of the base."""
    from trainer.sft import Method

    evaluate, seen = Method.evaluate, [0]

    def f(self):
        seen[0] += 1
        if seen[0] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self)

    Method.evaluate = f


def on_another_day(put=setattr) -> None:
    """The machine's clock as chat templates read it."""
    import datetime

    from transformers.utils import chat_template_utils

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 3, 4, 0, 0, 1)

    put(chat_template_utils, "datetime", Clock)
