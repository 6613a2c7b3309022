"""A fake trainer: it trains nothing. The job's id selects whether it follows or breaks the
protocol."""

import json
import os
import resource
import secrets
import signal
import subprocess
import sys

with open(sys.argv[1], encoding="utf-8") as f:
    job = json.load(f)
stopped = False


def say(event, **fields):
    os.write(3, (json.dumps({"event": event, **fields}) + "\n").encode())


def raw(data):
    while data:
        data = data[os.write(3, data) :]


def done():
    say("done", step=3, best_step=2, path="output", metrics={"loss": 0.5})


def on_sigterm(*_):
    global stopped
    stopped = True


def until_sigterm():
    """Report that the handler is installed, and wait for the signal without missing it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGTERM, on_sigterm)
    say("phase", phase="train")
    signal.sigwait({signal.SIGTERM})


def child(**options):
    """Start a child that never ends; the event contains an argument by which it is found."""
    mark = f"86400.{secrets.randbelow(10**15):015}"
    subprocess.Popen(["sleep", mark], pass_fds=(3,), **options)
    say("device", device="cpu", versions={"child": mark})


def forever():
    while True:
        signal.pause()


def whole():
    say("phase", phase="load")
    say("device", device="cpu", memory_bytes=1, versions={"torch": "2.11.0"})
    say("data", data={"rows": 4, "steps_per_epoch": 2})
    for step in (1, 2, 3):
        say("step", step=step, total=3, loss=1.5 / step)
    say("checkpoint", step=3, path="checkpoints/00000003", best_step=2)
    done()


def stop():
    until_sigterm()
    say("checkpoint", step=7, path="checkpoints/00000007", best_step=7)
    sys.exit(75)


def ignores_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child()
    say("phase", phase="train")
    forever()


def unready():
    say("phase", phase="load")
    forever()


def orphans():
    child()
    child()
    done()


def escaped():
    child(start_new_session=True)
    done()


def busy():
    for step in range(1, 501):
        say("step", step=step, total=500, loss=0.5)
    done()


def environment():
    descriptors = sorted(int(d) for d in os.listdir("/proc/self/fd") if d not in "012")
    say(
        "device",
        device="cpu",
        versions={
            "cwd": os.getcwd(),
            "argv": sys.argv[1],
            "group": str(os.getpgid(0) == os.getpid()),
            "fd3": str(3 in descriptors),
            **dict(os.environ),
        },
    )
    done()


def attempt(what):
    """Report whether an action is permitted."""
    try:
        what()
    except OSError:
        return "refused"
    return "worked"


def confined():
    """Try forbidden and permitted actions; the job's "resume" names the checkpoint."""
    import socket

    foreign = job["resume"]
    say(
        "device",
        device="cpu",
        versions={
            "connect": attempt(
                lambda: socket.create_connection(("127.0.0.1", job["seed"]))
            ),
            "udp": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
            "read beside": attempt(
                lambda: open(os.path.join(os.path.dirname(job["work_dir"]), "secret"))
            ),
            "passwd": attempt(lambda: open("/etc/passwd")),
            "write model": attempt(
                lambda: open(os.path.join(job["model"]["path"], "x"), "w")
            ),
            "write dataset": attempt(lambda: open(job["train"]["path"], "a")),
            "write usr": attempt(lambda: open("/usr/x", "w")),
            "parent": attempt(lambda: open("/proc/%d/environ" % job["micro_batch"])),
            "read model": attempt(
                lambda: open(os.path.join(job["model"]["path"], "weights"))
            ),
            "read dataset": attempt(lambda: open(job["train"]["path"])),
            "read start": attempt(lambda: open(job["start"]["path"])),
            "read checkpoint": attempt(lambda: os.listdir(foreign)),
            "write work": attempt(lambda: open("made", "w")),
            "write tmp": attempt(lambda: open("/tmp/made", "w")),
            "descriptors": ",".join(
                d
                for d in sorted(os.listdir("/proc/self/fd"), key=int)
                if attempt(lambda: os.fstat(int(d))) == "worked"
            ),
        },
    )
    done()


def noise():
    print("printed")
    for i in range(20000):
        print("line", i, "of a long output", file=sys.stderr)
    print("10%\r 20%\rthe last words", file=sys.stderr)
    say("error", **{"class": "internal", "message": "it broke"})
    sys.exit(70)


def cut(code):
    os.write(3, b'{"event": "done", "pa')
    if code == signal.SIGKILL:
        os.kill(os.getpid(), code)
    sys.exit(code)


def broken(line):
    raw(line + b"\n")
    until_sigterm()
    raw(b"x" * (1 << 20))  # a write must not block without a reader
    sys.exit(75)


def error(kind, code):
    say("error", **{"class": kind, "message": f"a message for {kind}"})
    sys.exit(code)


def die(number):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), number)


def hog():
    """Use half a GiB, a part of it in a child."""
    if os.fork() == 0:
        blocks = [b"x" * (16 << 20) for _ in range(16)]
        forever()
    blocks = [b"x" * (16 << 20) for _ in range(16)]
    say("phase", phase=str(len(blocks)))
    forever()


def forks():
    """Start children up to the limit and keep them."""
    for _ in range(300):
        subprocess.Popen(["sleep", "86400"])
    say("phase", phase="train")
    forever()


def closes(then):
    say("phase", phase="train")
    os.close(3)
    then()


{
    "whole": whole,
    "stop": stop,
    "ignores-sigterm": ignores_sigterm,
    "unready": unready,
    "orphans": orphans,
    "escaped": escaped,
    "busy": busy,
    "environment": environment,
    "confined": confined,
    "noise": noise,
    "cut": lambda: cut(0),
    "cut-killed": lambda: cut(signal.SIGKILL),
    "garbage": lambda: broken(b"not an event"),
    "nan": lambda: broken(b'{"event": "step", "loss": NaN}'),
    "list": lambda: broken(b"[]"),
    "kindless": lambda: broken(b'{"step": 3}'),
    "typed": lambda: broken(b'{"event": "step", "step": "three"}'),
    "pathless": lambda: broken(b'{"event": "checkpoint", "step": 3}'),
    "dataless": lambda: broken(b'{"event": "data"}'),
    "outside": lambda: broken(b'{"event": "checkpoint", "path": "../../etc"}'),
    "empty-line": lambda: broken(b""),
    "endless": lambda: broken(
        b'{"event": "phase", "phase": "' + b"x" * (2 << 20) + b'"}'
    ),
    "long": lambda: (say("phase", phase="x" * 900_000), done()),
    "newer": lambda: (
        raw(
            b'{"event": "phase", "phase": "train", "mood": "good"}\n{"event": "song"}\n'
        ),
        done(),
    ),
    "nulls": lambda: (
        say("step", step=1, loss=None, metrics={"loss": None, "margin": 0.0}),
        done(),
    ),
    "input": lambda: error("input", 64),
    "diverged": lambda: error("diverged", 70),
    "internal": lambda: error("internal", 70),
    "memory": lambda: error("out_of_memory", 71),
    "silent-64": lambda: sys.exit(64),
    "silent-71": lambda: sys.exit(71),
    "stopped-itself": lambda: sys.exit(75),
    "exit-3": lambda: sys.exit(3),
    "exits-early": lambda: say("phase", phase="train"),
    "no-torch": lambda: __import__("torch_that_is_absent"),
    "sigkill": lambda: die(signal.SIGKILL),
    "sigsegv": lambda: die(signal.SIGSEGV),
    "sigterm": lambda: die(signal.SIGTERM),
    "hog": hog,
    "forks": forks,
    "closes": lambda: closes(lambda: None),
    "closes-and-stays": lambda: closes(forever),
    "fails-after-done": lambda: (done(), sys.exit(70)),
}[job["job"]]()
