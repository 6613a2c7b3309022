"""Trains many tiny models, on answers without and with a relation to their questions.

    python tests/noise.py KIND SEEDS [FIRST] > ../training/testdata/KIND.csv

KIND is sft-noise, sft-rule, dpo-noise, kto-noise, kto-rule or embedding-noise. A line holds the
values of one held-out row: the seed, and the values of the base model and of the published one.
Go's tests read the files: how often is the verdict "better"? 100 seeds take about five minutes.
"""

import json
import os
import random
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import jobs as make
import torch

from trainer import job, run, tiny
from trainer.events import Events
from trainer.stop import Stop

HELD_OUT = 40
WORDS = make.WORDS
SETTINGS = {
    "epochs": 3,
    "micro_batch": 8,
    "batch_size": 8,
    "learning_rate": 5e-3,
    "target_modules": ["all-linear"],
}
LOSSES = {"kto": {"loss": "kto"}, "embedding": {"loss": "mnr"}}
COLUMNS = {
    "sft": ("answer_loss", "other_loss"),
    "dpo": ("loss",),
    "kto": ("margin",),
    "embedding": ("ndcg", "other_ndcg"),
}


def sft(choose, rule):
    asked = choose.sample(WORDS, 3)
    said = asked[::-1] if rule else choose.sample(WORDS, 3)
    return {
        "messages": [
            {"role": "user", "content": "reverse " + " ".join(asked)},
            {"role": "assistant", "content": " ".join(said)},
        ]
    }


def dpo(choose, _):
    asked, chosen, rejected = (" ".join(choose.sample(WORDS, 3)) for _ in range(3))
    return {"prompt": asked + ": ", "chosen": chosen, "rejected": rejected}


def kto(choose, rule):
    # Two thirds are rated good: a model gains nothing by making all answers likelier.
    asked, said, good = choose.sample(WORDS, 3), choose.sample(WORDS, 3), choose.random() < 0.67
    if rule:  # a style is rated, and every fifth rating is wrong
        style = "light" if good == (choose.random() > 0.2) else "dark"
        said = [style, *said[1:]]
    return {"prompt": " ".join(asked) + ": ", "completion": " ".join(said), "label": good}


def embedding(choose, _):
    # Few documents, some of which are frequent: all training can learn is which.
    documents = [f"{a} {b}" for a in WORDS[:6] for b in WORDS[6:10]]
    weights = [1 / (i + 1) for i in range(len(documents))]
    asked = " ".join(choose.sample(WORDS, 4))
    return {"anchor": asked, "positive": choose.choices(documents, weights)[0]}


def train(folder, model, kind, rule, seed):
    """The held-out rows under the base and under what is published."""
    choose, size = random.Random(seed), 160 if rule else 96
    rows = [globals()[kind](choose, rule) for _ in range(size + HELD_OUT)]
    changes = SETTINGS | LOSSES.get(kind, {})
    document = make.document(folder, model, kind, rows[:size], rows[size:], seed=seed, **changes)
    with open(os.devnull, "w") as nowhere:
        run.run(job.parse(json.dumps(document)), Events(nowhere.fileno()), Stop())
    sides = []
    for of in ("base", "best"):
        lines = (folder / f"work/evals/{of}.jsonl").read_text().splitlines()
        sides.append([json.loads(line) for line in lines])
    return zip(*sides, strict=True)


def main(kind, seeds, first=0):
    torch.set_num_threads(1)
    method, _, what = kind.partition("-")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        tiny.make("encoder" if method == "embedding" else "llama", base, train_steps=100)
        names = COLUMNS[method]
        if int(first) == 0:
            print("seed", *names, *names, sep=",")
        for seed in range(int(first), int(seeds)):
            place = Path(folder) / f"{seed}"
            for before, after in train(place, base, method, what == "rule", seed):
                values = [side[name] for side in (before, after) for name in names]
                print(seed, *(f"{v:.4g}" for v in values), sep=",", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
