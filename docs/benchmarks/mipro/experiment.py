"""Does the improved mode find better programs than DSPy's own MIPROv2, or as good ones in
fewer calls? Runs both on simulated tasks and appends each run to a file, from which report.py makes tables and plot.

    experiment.py GO_DRIVER RUNS.jsonl [--first 0] [--seeds 20] [--worlds ...] [--auto light,medium] [--dspy-only]

See README.md. Runs that the file has already are not made again.
"""

import argparse
import contextlib
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "prompt/conformance"))

import dspy  # noqa: E402
from build import program  # noqa: E402
from dspy.teleprompt import MIPROv2  # noqa: E402
from world import START, World  # noqa: E402

PROGRAM = {
    "name": "router",
    "predictors": [
        {
            "name": "route",
            "instructions": START,
            "inputs": [{"name": "query"}],
            "outputs": [{"name": "agent"}],
        }
    ],
}
SOURCE = "class Router(dspy.Module):\n    route = dspy.Predict(query -> agent)"
TRAIN, VAL, TEST = 100, 430, 4000

# Improved runs: share of the calls that DSPy's search made, and what counts as a call.
VARIANTS = {
    "equal": {"share": 1, "reflect": True, "confirm": False},
    "half": {"share": 0.5, "reflect": True, "confirm": False},
    "quarter": {"share": 0.25, "reflect": True, "confirm": False},
    "equal, confirmation counted": {"share": 1, "reflect": True, "confirm": True},
    "half, confirmation counted": {"share": 0.5, "reflect": True, "confirm": True},
    "equal, race alone": {"share": 1, "reflect": False, "confirm": False},
}


class Model(dspy.BaseLM):
    def __init__(self, world, role, calls, **kwargs):
        super().__init__(model=role, cache=False, **kwargs)
        self.world, self.role, self.calls = world, role, calls
        self.stage = "search"

    def forward(self, prompt=None, messages=None, **kwargs):
        kwargs = {**self.kwargs, **kwargs}
        self.calls[self.role if self.role == "proposer" else self.stage] += 1
        text = self.world.answer(messages, kwargs.get("rollout_id") or 0)
        dot = dspy.utils.dummies.dotdict
        message = dot(content=text, tool_calls=None)
        none = dot(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        choice = dot(message=message, finish_reason="stop")
        return dot(choices=[choice], usage=none, model=self.model)


class Staged(MIPROv2):
    """Says when the calls of the student are for demos."""

    def _bootstrap_fewshot_examples(self, *args, **kwargs):
        self.task_model.stage = "bootstrap"
        sets = super()._bootstrap_fewshot_examples(*args, **kwargs)
        self.task_model.stage = "search"
        return sets


def examples(rows):
    return [dspy.Example(**row).with_inputs("query") for row in rows]


def run_dspy(world, train, val, settings):
    calls = Counter()
    optimizer = Staged(
        lambda example, prediction, trace=None: float(
            example.agent == prediction.agent
        ),
        prompt_model=Model(world, "proposer", calls),
        task_model=Model(world, "student", calls),
        num_threads=1,
        **settings,
    )
    # At every call DSPy reads the whole stack, only to warn of one way to call: half of its time.
    sys.modules["dspy.primitives.module"].inspect = SimpleNamespace(stack=list)
    grounded = sys.modules["dspy.propose.grounded_proposer"]
    grounded.get_dspy_source_code = lambda _: SOURCE
    with contextlib.redirect_stdout(sys.stderr):
        best = optimizer.compile(
            program(PROGRAM), trainset=examples(train), valset=examples(val)
        )
    route = best.predictors()[0]
    return route.signature.instructions, route.demos, calls


class Driver:
    """The improved mode, in Go, which asks the model through a pipe."""

    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, value):
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def run(self, world, job):
        calls = Counter()
        self.send(job)
        while line := self.process.stdout.readline():
            asked = json.loads(line)
            if "found" in asked:
                return asked["found"], calls
            for c in asked["calls"]:
                calls["proposer" if c["role"] == "proposer" else c["stage"]] += 1
            self.send(
                [world.answer(c["messages"], c["rollout"]) for c in asked["calls"]]
            )
        raise SystemExit(f"the Go driver ended: {self.process.wait()}")


def compare(driver, kind, seed, auto, known, methods):
    """The runs on one world that are not known yet: one by DSPy, the others by the improved mode."""
    world = World(kind, seed)
    train, val = world.questions("train", TRAIN), world.questions("val", VAL)
    test = world.questions("test", TEST)
    settings = {"auto": auto, "seed": seed + 1}
    default = world.worth(START, [], test)
    about = {
        "world": kind,
        "seed": seed,
        "auto": auto,
        "default": default,
        "optimum": world.optimum(train, test),
    }
    rival = known.get((kind, seed, auto, "DSPy"))
    if not rival:
        instruction, demos, calls = run_dspy(world, train, val, settings)
        score = world.worth(instruction, [d["query"] for d in demos], test)
        rival = about | {
            "method": "DSPy",
            "calls": calls,
            "best": score,
            "shipped": score,
            "instruction": instruction,
            "demos": len(demos),
        }
        yield rival
    for name in methods:
        if (kind, seed, auto, name) in known:
            continue
        variant = VARIANTS[name]
        found, made = driver.run(
            world,
            {
                "program": PROGRAM | {"text": SOURCE},
                "metric": {"kind": "exact", "field": "agent"},
                "train": train,
                "val": val,
                "settings": settings,
                "runs": int(rival["calls"]["search"] * variant["share"]),
                "reflect": variant["reflect"],
                "confirm": variant["confirm"],
            },
        )
        queries = [d["query"] for d in found["demos"] or []]
        score = world.worth(found["instruction"], queries, test)
        yield about | {
            "method": name,
            "calls": made,
            "best": score,
            "shipped": score if found["verdict"]["promote"] else default,
            "promoted": found["verdict"]["promote"],
            "confirmed_on": found["verdict"]["examples"],
            "instruction": found["instruction"],
            "demos": len(queries),
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", default="rules,plain,trap")
    parser.add_argument("--auto", default="light,medium")
    parser.add_argument("--dspy-only", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    known = {}
    if options.out.exists():
        for run in map(json.loads, options.out.read_text().splitlines()):
            known[run["world"], run["seed"], run["auto"], run["method"]] = run
    driver = Driver(options.driver)
    for seed in range(options.first, options.first + options.seeds):
        for auto in options.auto.split(","):
            for kind in options.worlds.split(","):
                start = time.monotonic()
                methods = [] if options.dspy_only else VARIANTS
                runs = list(compare(driver, kind, seed, auto, known, methods))
                with options.out.open("a") as out:
                    out.writelines(json.dumps(r) + "\n" for r in runs)
                seconds = time.monotonic() - start
                print(f"{kind} {seed} {auto}: {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
