"""Does the improved mode find better programs than DSPy's own MIPROv2, or as good ones in
fewer calls? Runs both on simulated tasks and appends each run to a file, from which report.py makes tables and plot.

    experiment.py GO_DRIVER RUNS.jsonl [--seeds 20] [--worlds ...] [--auto light,medium]

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


def compare(driver, kind, seed, auto):
    """All runs on one world: one by DSPy, the others by the improved mode."""
    world = World(kind, seed)
    train, val = world.questions("train", TRAIN), world.questions("val", VAL)
    test = world.questions("test", TEST)
    settings = {"auto": auto, "seed": seed + 1}
    default, optimum = world.worth(START, [], test), world.optimum(train, test)
    instruction, demos, calls = run_dspy(world, train, val, settings)
    score = world.worth(instruction, [d["query"] for d in demos], test)
    about = {
        "world": kind,
        "seed": seed,
        "auto": auto,
        "default": default,
        "optimum": optimum,
    }
    yield about | {
        "method": "DSPy",
        "calls": calls,
        "best": score,
        "shipped": score,
        "instruction": instruction,
        "demos": len(demos),
    }
    for name, variant in VARIANTS.items():
        found, made = driver.run(
            world,
            {
                "program": PROGRAM | {"text": SOURCE},
                "metric": {"kind": "exact", "field": "agent"},
                "train": train,
                "val": val,
                "settings": settings,
                "runs": int(calls["search"] * variant["share"]),
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
            "instruction": found["instruction"],
            "demos": len(queries),
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", default="rules,plain,trap")
    parser.add_argument("--auto", default="light,medium")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    known = set()
    if options.out.exists():
        rows = map(json.loads, options.out.read_text().splitlines())
        known = {(r["world"], r["seed"], r["auto"]) for r in rows}
    driver = Driver(options.driver)
    for seed in range(options.seeds):
        for auto in options.auto.split(","):
            for kind in options.worlds.split(","):
                if (kind, seed, auto) in known:
                    continue
                start = time.monotonic()
                runs = list(compare(driver, kind, seed, auto))
                with options.out.open("a") as out:
                    out.writelines(json.dumps(r) + "\n" for r in runs)
                seconds = time.monotonic() - start
                print(f"{kind} {seed} {auto}: {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
