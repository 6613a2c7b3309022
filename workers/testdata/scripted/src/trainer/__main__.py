"""A fake trainer that implements the protocol and behaves as plan.json, beside the package,
defines. Its model is a running hash, which reveals steps that are lost or repeated.

plan.json: {"steps", "step_seconds", "save_every", "hold_at", "evaluate": "ok" | "exit" | "hang",
"sigterm": "checkpoint" | "slow" | "hang" | "exit"}. At the step hold_at it waits for SIGTERM.
Each process reads the file at its start, and reads sigterm again when it receives the signal.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

BEGAN = time.monotonic()
PLAN = Path(__file__).parents[2] / "plan.json"
SLOW = 12  # seconds: more than the server waits for a heartbeat

with open(sys.argv[1], encoding="utf-8") as f:
    job = json.load(f)
plan = json.loads(PLAN.read_text())
work = Path(job["work_dir"])
stopped = False


def say(event, **fields):
    fields = {"event": event, **fields, "elapsed": time.monotonic() - BEGAN}
    os.write(3, (json.dumps(fields) + "\n").encode())


def on_sigterm(*_):
    global stopped
    stopped = True


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def save(step, state):
    name = f"{step:08d}"
    draft, final = work / "checkpoints" / f".{name}", work / "checkpoints" / name
    files = {"best/adapter_config.json": "{}", "best/adapter_model.safetensors": state}
    files["state.json"] = json.dumps({"step": step, "state": state})
    listed = []
    for path, text in sorted(files.items()):
        write(draft / path, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        listed.append({"name": path, "size": len(text), "sha256": digest})
    manifest = {
        "version": 1,
        "job": job["job"],
        "step": step,
        "best_step": step,
        "tokens": step,
    }
    write(draft / "manifest.json", json.dumps({**manifest, "files": listed}))
    draft.rename(final)
    say("checkpoint", step=step, path=f"checkpoints/{name}", best_step=step)


def asked(step, state):
    say("phase", phase="save")
    reaction = json.loads(PLAN.read_text())["sigterm"]
    if reaction == "hang":
        while True:
            time.sleep(0.2)
            say("phase", phase="save")
    if reaction == "exit":
        sys.exit(3)
    if reaction == "slow":
        until = time.monotonic() + SLOW
        while time.monotonic() < until:
            time.sleep(0.2)
            say("phase", phase="save")
    if step:
        save(step, state)
    sys.exit(75)


def evaluate(of, loss, step):
    rows = [
        json.dumps({"row": i, "loss": loss + i / 100})
        for i in range(job["eval"]["rows"])
    ]
    write(work / "evals" / f"{of}.jsonl", "\n".join(rows) + "\n")
    say("eval", of=of, step=step, metrics={"loss": loss}, rows=f"evals/{of}.jsonl")


def main():
    signal.signal(signal.SIGTERM, on_sigterm)
    say("device", device="scripted", versions={"scripted": "1"})
    step, state = 0, ""
    if job.get("resume"):
        saved = json.loads((Path(job["resume"]) / "state.json").read_text())
        step, state = saved["step"], saved["state"]
    evaluate("base", 2.0, 0)
    while step < plan["steps"] and not job.get("finish"):
        while step and step == plan["hold_at"] and not stopped:
            time.sleep(0.2)
            say("phase", phase="train")
        if stopped:
            asked(step, state)
        time.sleep(plan["step_seconds"])
        step, state = (
            step + 1,
            hashlib.sha256(f"{state}{job['seed']}".encode()).hexdigest(),
        )
        say("step", step=step, total=plan["steps"], loss=2 / step, tokens=step)
        if step % plan["save_every"] == 0:
            save(step, state)
    say("phase", phase="evaluate")
    if plan["evaluate"] == "exit":
        sys.exit(9)
    while plan["evaluate"] == "hang" and not stopped:
        time.sleep(0.2)
        say("phase", phase="evaluate")
    if stopped:
        sys.exit(75)
    evaluate("best", 1.0, step)
    for folder in ("best", "last"):
        write(work / "output" / folder / "adapter_config.json", "{}")
        write(work / "output" / folder / "adapter_model.safetensors", state)
    say("done", step=step, best_step=step, path="output")


main()
