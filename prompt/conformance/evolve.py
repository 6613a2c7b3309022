"""Runs gepa on the jobs of its input, with scores and texts that are functions of
the requests; prints scores, texts and all decisions."""

import hashlib
import json
import sys

import gepa
from gepa.core.adapter import EvaluationBatch


def number(*parts) -> int:
    return int.from_bytes(
        hashlib.sha256(json.dumps(parts).encode()).digest()[:6], "big"
    )


class Quiet:
    def log(self, message):
        pass


class Scripted:
    """Scores a candidate by how good its texts are for three kinds of rows."""

    def __init__(self, seed):
        self.seed = seed
        self.scores = {}
        self.texts = []
        self.trace = None

    def evaluate(self, batch, candidate, capture_traces=False):
        scores = [self.score(row, candidate) for row in batch]
        return EvaluationBatch(
            outputs=list(batch),
            scores=scores,
            trajectories=list(batch) if capture_traces else None,
        )

    def score(self, row, candidate):
        parts = [
            number(self.seed, name, text, row % 3) % 3 / 2
            for name, text in candidate.items()
        ]
        score = sum(parts) / len(parts)
        self.scores["|".join([*candidate.values(), str(row)])] = score
        return score

    def make_reflective_dataset(self, candidate, eval_batch, components_to_update):
        rows = [{"row": row} for row in eval_batch.trajectories]
        return {name: rows for name in components_to_update}

    def propose_new_texts(self, candidate, reflective_dataset, components_to_update):
        new = {}
        for name in components_to_update:
            text = f"text {number(self.seed, len(self.texts), name) % 100000}"
            rows = [r["row"] for r in reflective_dataset[name]]
            self.texts.append([name, candidate[name], rows, text])
            new[name] = text
        return new

    def on_optimization_end(self, event):
        self.trace = event["final_state"].full_program_trace


def run(job):
    scripted = Scripted(job["seed"])
    # Rows are identified by number; training rows come first.
    result = gepa.optimize(
        seed_candidate={name: f"text of {name}" for name in job["predictors"]},
        trainset=list(range(job["train"])),
        valset=list(range(job["train"], job["train"] + job["val"])),
        adapter=scripted,
        seed=job["seed"],
        logger=Quiet(),
        callbacks=[scripted],
        raise_on_exception=True,
        **job["settings"],
    )
    return {
        "scores": scripted.scores,
        "texts": scripted.texts,
        "candidates": [list(c.values()) for c in result.candidates],
        "parents": [[p for p in ps if p is not None] for ps in result.parents],
        "best": result.best_idx,
        "calls": result.total_metric_calls,
        "trace": [
            {
                "parent": t.get("selected_program_candidate"),
                "merged": t.get("merged_entities"),
                "rows": t.get("subsample_ids"),
                "before": t.get("subsample_scores"),
                "after": t.get("new_subsample_scores")
                or t.get("new_program_subsample_scores"),
                "candidate": t.get("new_program_idx"),
            }
            for t in scripted.trace
        ],
    }


print(json.dumps([run(job) for job in json.load(sys.stdin)]))
