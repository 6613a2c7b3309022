"""Runs DSPy's MIPROv2 on the jobs of its input, with a scripted model; prints every
answer of the model and all decisions."""

import contextlib
import hashlib
import json
import logging
import re
import sys

import dspy
import optuna
from build import plain, program
from build import row as typed
from dspy.evaluate.metrics import f1_score
from dspy.teleprompt import MIPROv2, mipro_optimizer_v2, utils

AGENTS = ["video_search", "image_search", "text_search"]
OUTPUT = re.compile(r"`(?:\[\[ ## )?(\w+)(?: ## \]\])?`")


def number(*parts) -> int:
    return int.from_bytes(
        hashlib.sha256(json.dumps(parts).encode()).digest()[:6], "big"
    )


class Scripted(dspy.BaseLM):
    """Answers by a fixed function of the request, correctly or not."""

    def __init__(self, answers):
        super().__init__(model="scripted", cache=False)
        self.answers = answers

    def forward(self, prompt=None, messages=None, **kwargs):
        kwargs = {**self.kwargs, **kwargs}
        rollout = kwargs.get("rollout_id")
        text = answer(messages, rollout)
        self.answers.append(
            {
                "messages": messages,
                "rollout": rollout,
                "temperature": kwargs.get("temperature"),
                "text": text,
            }
        )
        message = dspy.utils.dummies.dotdict(content=text, tool_calls=None)
        return dspy.utils.dummies.dotdict(
            choices=[dspy.utils.dummies.dotdict(message=message, finish_reason="stop")],
            usage=dspy.utils.dummies.dotdict(
                prompt_tokens=0, completion_tokens=0, total_tokens=0
            ),
            model="scripted",
        )


def texts(message) -> str:
    """The texts of a message, which may have images."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def answer(messages, rollout) -> str:
    request = texts(messages[-1])
    in_json = "Respond with a JSON object" in request
    fields = OUTPUT.findall(request[request.rindex("Respond with") :])
    fields = [f for f in fields if f != "completed"]
    n = number(messages, rollout)
    # DSPy fails if an instruction is unreadable in JSON, too.
    if n % 19 == 0 and not (in_json and "proposed_instruction" in fields):
        return "I would rather not say."
    values = {f: value(f, messages, n) for f in fields}
    if n % 3 == 0:
        values.pop("left_out", None)
    if in_json:
        return json.dumps(values)
    return (
        "\n\n".join(f"[[ ## {f} ## ]]\n{v}" for f, v in values.items())
        + "\n\n[[ ## completed ## ]]"
    )


def value(name, messages, n):
    system, request = messages[0]["content"], texts(messages[-1])
    # How good the model is depends on the instruction and on how many demos it sees.
    skill = 35 + number(system) % 45 + 3 * (len(messages) // 2)
    right = n // 64 % 100 < skill
    truth = (
        number(re.search(r"topic \d+", request).group()) % len(AGENTS)
        if "topic" in request
        else 0
    )
    if name == "agent":
        return (
            AGENTS[truth]
            if right
            else AGENTS[(truth + 1 + n % 2) % 3]
            if n % 23
            else "no agent"
        )
    if name == "answer":
        return f"the answer {truth if right else n % 7}"
    if name == "left_out":
        return n % 4
    if name == "confidence":
        return round(n % 100 / 100, 2)
    if name == "tags":
        return json.dumps(["x", f"t{n % 5}"])
    if name == "observations":
        return "COMPLETE, I think." if n % 3 == 0 else f"Observation {n % 1000}. "
    if name == "proposed_instruction":
        return [
            f"Do it well: {n % 997}.",
            f'"Quoted way {n % 997}."',
            f"**Proposed instruction:** You are expert {n % 997}.\n  Take care.",
            f"My new label here: then more: {n % 997}",
        ][n % 4]
    return f"{name}: text {n % 1009}" if n % 2 else f"Text {n % 1009} about {name}"


def scorer(spec):
    parts = spec["parts"] if spec["kind"] == "mean" else [spec]

    def metric(example, prediction, trace=None):
        total = weight = 0.0
        for part in parts:
            w = part.get("weight", 1)
            want, got = example[part["field"]], plain(prediction[part["field"]])
            total += w * (
                f1_score(got, want) if part["kind"] == "f1" else float(got == want)
            )
            weight += w
        return total / weight

    return metric


class Watched(MIPROv2):
    """Keeps the results of the stages."""

    def _bootstrap_fewshot_examples(self, *args, **kwargs):
        self.kept_sets = super()._bootstrap_fewshot_examples(*args, **kwargs)
        return self.kept_sets

    def _propose_instructions(self, *args, **kwargs):
        self.kept_instructions = super()._propose_instructions(*args, **kwargs)
        return self.kept_instructions


def run(job):
    spec, settings = job["program"], dict(job["settings"])
    answers, drawn, studies = [], [], []
    inputs = job["inputs"]
    train = [
        dspy.Example(**typed(spec, row)).with_inputs(*inputs) for row in job["train"]
    ]
    val = (
        None
        if job["val"] is None
        else [
            dspy.Example(**typed(spec, row)).with_inputs(*inputs) for row in job["val"]
        ]
    )
    compile_keys = (
        "num_trials",
        "minibatch",
        "minibatch_size",
        "minibatch_full_eval_steps",
        "view_data_batch_size",
        "program_aware_proposer",
        "data_aware_proposer",
        "tip_aware_proposer",
        "fewshot_aware_proposer",
    )
    during = {k: settings.pop(k) for k in compile_keys if k in settings}
    if settings.get("auto") == "none":
        settings["auto"] = None
    lm = Scripted(answers)
    optimizer = Watched(
        scorer(job["metric"]),
        prompt_model=lm,
        task_model=lm,
        num_threads=1,
        max_errors=10**9,
        **settings,
    )

    def create_minibatch(rows, batch_size=50, rng=None):
        places = rng.sample(range(len(rows)), min(batch_size, len(rows)))
        drawn.append(places)
        return [rows[i] for i in places]

    real_study = optuna.create_study

    def create_study(**kwargs):
        studies.append(real_study(**kwargs))
        return studies[-1]

    mipro_optimizer_v2.create_minibatch = utils.create_minibatch = create_minibatch
    optuna.create_study = create_study
    sys.modules["dspy.propose.grounded_proposer"].get_dspy_source_code = lambda _: job[
        "source"
    ]
    try:
        best = optimizer.compile(program(spec), trainset=train, valset=val, **during)
    finally:
        optuna.create_study = real_study
    return {
        "answers": answers,
        "sets": [
            [
                [
                    plain(
                        dict(
                            d.items(include_dspy=True)
                            if isinstance(d, dspy.Example)
                            else d
                        )
                    )
                    for d in demos
                ]
                for demos in sets
            ]
            for sets in optimizer.kept_sets.values()
        ],
        "instructions": list(optimizer.kept_instructions.values()),
        "drawn": drawn,
        "trials": [{"choice": t.params, "value": t.value} for t in studies[0].trials],
        "score": best.score,
        "state": json.dumps(plain(best.dump_state()), ensure_ascii=False),
        "predictors": len(best.predictors()),
    }


def main():
    logging.disable(logging.CRITICAL)
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        results = [run(job) for job in json.load(sys.stdin)]
    json.dump(results, out, ensure_ascii=False)


if __name__ == "__main__":
    main()
