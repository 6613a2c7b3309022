"""Does the improved mode find better programs than DSPy's own MIPROv2, or as good ones in
fewer calls? Runs both on simulated tasks and appends each run to a file, from which summary.py makes tables and plot.

    experiment.py GO_DRIVER RUNS.jsonl [--first 0] [--seeds 20] [--worlds ...] [--auto light,medium] [--methods ...] [--dspy-only]

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
from world import KINDS, START, World  # noqa: E402
from worlds import KINDS as MORE  # noqa: E402
from worlds import Task  # noqa: E402

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
SOURCE = "class Program(dspy.Module):\n    ..."
ROUTER_SOURCE = "class Router(dspy.Module):\n    route = dspy.Predict(query -> agent)"
TRAIN, VAL, TEST = 100, 430, 4000

# Improved runs: share of the calls that DSPy's search made. Search, reflections and confirmation
# together make that many on average.
VARIANTS = {
    "equal, confirmation counted": 1,
    "half, confirmation counted": 0.5,
    "gepa": 1,
}
GEPA = "DSPy GEPA"
WORLDS = ",".join([*KINDS, *MORE])
GEPA_VAL = 100  # rows; each accepted candidate is scored on all of them


class Router(World):
    """A world of world.py as worlds.py has them."""

    program, metric = PROGRAM, {"kind": "exact", "field": "agent"}
    source = ROUTER_SOURCE

    def default(self):
        return [(START, [])]

    def value(self, state, rows):
        return World.worth(self, *state[0], rows)

    def best(self, train, rows):
        return self.optimum(train, rows)

    def score(self, example, prediction):
        return float(example.agent == prediction.agent)

    def feedback(self, example, prediction):
        state = "right" if self.score(example, prediction) else "wrong"
        return (
            f"agent is {state}: expected {example.agent!r}, got {prediction.agent!r}."
        )


class More(Task):
    source = SOURCE

    def value(self, state, rows):
        return self.worth(state, rows)

    def best(self, train, rows):
        return None  # not known


def world_of(kind, seed):
    return Router(kind, seed) if kind in KINDS else More(kind, seed)


class Model(dspy.BaseLM):
    def __init__(self, world, role, calls, **kwargs):
        super().__init__(model=role, cache=False, **kwargs)
        self.world, self.role, self.calls = world, role, calls
        self.stage = "search"

    def forward(self, prompt=None, messages=None, **kwargs):
        kwargs = {**self.kwargs, **kwargs}
        self.calls[self.role if self.role == "proposer" else self.stage] += 1
        messages = messages or [{"role": "user", "content": prompt}]
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
        lambda example, prediction, trace=None: world.score(example, prediction),
        prompt_model=Model(world, "proposer", calls),
        task_model=Model(world, "student", calls),
        num_threads=1,
        **settings,
    )
    # At every call DSPy reads the whole stack, only to warn of one way to call: half of its time.
    sys.modules["dspy.primitives.module"].inspect = SimpleNamespace(stack=list)
    grounded = sys.modules["dspy.propose.grounded_proposer"]
    grounded.get_dspy_source_code = lambda _: world.source
    with contextlib.redirect_stdout(sys.stderr):
        best = optimizer.compile(
            program(world.program), trainset=examples(train), valset=examples(val)
        )
    return state_of(best), calls


def state_of(best):
    return [
        (p.signature.instructions, [d["query"] for d in p.demos])
        for p in best.predictors()
    ]


def run_gepa(world, train, val, runs, seed):
    calls = Counter()

    def metric(example, prediction, trace=None, pred_name=None, pred_trace=None):
        return dspy.Prediction(
            score=world.score(example, prediction),
            feedback=world.feedback(example, prediction),
        )

    optimizer = dspy.GEPA(
        metric=metric,
        max_metric_calls=runs,
        reflection_lm=Model(world, "proposer", calls),
        num_threads=1,
        seed=seed,
    )
    with (
        contextlib.redirect_stdout(sys.stderr),
        dspy.context(lm=Model(world, "student", calls)),
    ):
        best = optimizer.compile(
            program(world.program),
            trainset=examples(train),
            valset=examples(val[:GEPA_VAL]),
        )
    return state_of(best), calls


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
    """The runs on one world that are not known yet: by DSPy, and by cogflow."""
    world = world_of(kind, seed)
    train, val = world.questions("train", TRAIN), world.questions("val", VAL)
    test = world.questions("test", TEST)
    settings = {"auto": auto, "seed": seed + 1}
    default = world.value(world.default(), test)
    about = {
        "world": kind,
        "seed": seed,
        "auto": auto,
        "default": default,
        "optimum": world.best(train, test),
    }

    def line(method, calls, state, **more):
        score = world.value(state, test)
        return about | {
            "method": method,
            "calls": calls,
            "best": score,
            "shipped": score,
            "instruction": state[0][0],
            "demos": sum(len(demos) for _, demos in state),
        } | more  # fmt: skip

    rival = known.get((kind, seed, auto, "DSPy"))
    if not rival:
        state, calls = run_dspy(world, train, val, settings)
        rival = line("DSPy", calls, state)
        yield rival
    runs = rival["calls"]["search"] // len(world.program["predictors"])
    for name in methods:
        if (kind, seed, auto, name) in known:
            continue
        if name == GEPA:
            state, calls = run_gepa(world, train, val, runs, seed + 1)
            yield line(name, calls, state)
            continue
        job = {
            "program": world.program | {"text": world.source},
            "metric": world.metric,
            "train": train,
            "val": val,
            "settings": settings,
        }
        if name == "gepa":
            # four in ten of val are set aside; the search has as many rows as DSPy's
            job["val"] = val[: GEPA_VAL * 10 // 6]
            job["settings"] = {"auto": None, "seed": seed + 1}
            job["gepa"] = {"max_metric_calls": runs}
        else:
            job["runs"] = int(runs * VARIANTS[name])
        found, made = driver.run(world, job)
        state = [
            (p["instruction"], [d["query"] for d in p["demos"] or []])
            for p in found["predictors"]
        ]
        verdict = found["verdict"]
        run = line(name, made, state, promoted=verdict["promote"])
        if not verdict["promote"]:
            run["shipped"] = default
        yield run | {
            "confirmed_on": verdict["examples"],
            "gain": verdict.get("gain"),
            "means": [verdict["before"], verdict["after"]],
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", default=WORLDS)
    parser.add_argument("--auto", default="light")
    parser.add_argument(
        "--methods", default=";".join([*VARIANTS, GEPA]), help="by semicolons"
    )
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
                methods = [] if options.dspy_only else options.methods.split(";")
                for run in compare(driver, kind, seed, auto, known, methods):
                    with options.out.open("a") as out:
                        out.write(json.dumps(run) + "\n")
                seconds = time.monotonic() - start
                print(f"{kind} {seed} {auto}: {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
