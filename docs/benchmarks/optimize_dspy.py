"""Runs DSPy's own MIPROv2 against an OpenAI-compatible server and says how long it took.

Reads a job from stdin: {"url", "program", "train", "val", "auto", "threads"}. It is run by
BenchmarkOptimize in workers, in the environment prompt/conformance/.venv. Nothing is cached.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "prompt/conformance"))

import dspy  # noqa: E402
from build import program  # noqa: E402
from dspy.teleprompt import MIPROv2  # noqa: E402


def examples(rows):
    return [dspy.Example(**row).with_inputs("query") for row in rows]


def exact(example, prediction, trace=None):
    return float(example.answer == prediction.answer)


def main():
    job = json.load(sys.stdin)
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    student, teacher = (
        dspy.LM(f"openai/{name}", api_base=job["url"], api_key="none", cache=False)
        for name in ("student", "teacher")
    )
    dspy.configure(lm=student)
    train, val = examples(job["train"]), examples(job["val"])
    threads = job["threads"]
    module = program(job["program"])
    optimizer = MIPROv2(
        exact,
        prompt_model=teacher,
        task_model=student,
        teacher_settings={"lm": teacher},
        auto=job["auto"],
        num_threads=threads,
    )
    start = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):
        best = optimizer.compile(module, trainset=train, valset=val)
    seconds = time.monotonic() - start
    print(json.dumps({"seconds": seconds, "score": best.score}))


if __name__ == "__main__":
    main()
