"""Direct preference optimization on pairs, by TRL.

With an adapter the reference is the base with the adapter switched off, which is why the
trainer must be given a fresh base and the adapter's shape: from a model that already
has an adapter TRL would copy it as the reference, and a resumed run would move it. A job that
continues an adapter has that one as its reference (origin.py), as TRL would. TRL
switches every dropout off for DPO, that of the adapter included.
"""

from typing import Any

import torch
import torch.nn.functional as F
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from . import fits, reference
from .fault import Input
from .job import Job
from .method import Evaluation, Row, Stats
from .sft import questions
from .tokens import check_dropped, each, tally


class Trainer(reference.Trainer, DPOTrainer):
    """TRL's trainer that stops and resumes with identical results."""


class Method(reference.Method):
    """See method.py. Base, weights and files are as in SFT."""

    def __init__(self, job: Job):
        if job.config.packing:
            raise Input("packing: dpo trains on pairs, which are not packed; set packing to false")
        super().__init__(job)

    def prepare(self, train: list[Row], held_out: list[Row]) -> Stats:
        c = self._job.config
        encoder = self._encoder()

        def encode(row: Row) -> tuple[dict[str, list[int]] | None, int, bool]:
            return encoder.dpo(row, c.max_prompt_length)

        encoded = each("train", train, encode)
        kept = [row for row, _, _ in encoded if row is not None]
        if not kept:
            raise Input(
                f"no pair has room for an answer within max_seq_length {c.max_seq_length}; "
                "raise it or set max_prompt_length"
            )
        self._train = Dataset.from_list(kept)
        self._held_out = [row for row, _, _ in each("eval", held_out, encode)]
        rows = (row for row in (*kept, *self._held_out) if row is not None)
        tokens = (ids for row in rows for ids in row.values())
        fits.vocabulary(self._job, self.model, self._tokenizer, tokens)
        check_dropped(
            self._job,
            [(row, ids) for row, (ids, _, _) in zip(train, encoded, strict=True)],
            list(zip(held_out, self._held_out, strict=True)),
        )
        self._questions = questions(encoder, held_out)
        return tally(
            [length for _, length, _ in encoded],
            sum(map(_tokens, kept)),
            sum(cut for _, _, cut in encoded),
            len(encoded) - len(kept),
            len(held_out),
            sum(_tokens(row) for row in self._held_out if row is not None),
            self._held_out.count(None),
        )

    def trainer(self, arguments: dict[str, Any]) -> Trainer:
        c = self._job.config
        args = DPOConfig(**arguments, beta=c.beta, max_length=c.max_seq_length)
        return self._begin(Trainer(args=args, train_dataset=self._train, **self._models()))

    def evaluate(self) -> Evaluation:
        rows: list[dict[str, Any]] = [
            {"row": i, "loss": None, "accuracy": None, "margin": None}
            for i in range(len(self._held_out))
        ]
        known = [i for i, row in enumerate(self._held_out) if row is not None]
        step = self._job.micro_batch
        for start in range(0, len(known), step):
            some = known[start : start + step]
            margins = self._margins([self._held_out[i] for i in some])
            losses = -F.logsigmoid(margins)
            for i, m, loss in zip(some, margins.tolist(), losses.tolist(), strict=True):
                rows[i] = {"row": i, "loss": loss, "accuracy": float(m > 0), "margin": m}
        scored = [rows[i] for i in known]
        names = ("loss", "accuracy", "margin") if scored else ()
        return Evaluation({k: sum(r[k] for r in scored) / len(scored) for k in names}, rows)

    def matches(self) -> Evaluation:
        return Evaluation({})  # both answers of a pair have one question, and only they are counted

    def _margins(self, pairs: list[dict[str, list[int]]]) -> torch.Tensor:
        """Reward of the chosen answer minus that of the rejected one, for each pair."""
        batch = {k: v.to(self._trainer.args.device) for k, v in self._collate(pairs).items()}
        policy = [x.float() for x in self._log_probs(batch).chunk(2)]
        before = [x.float() for x in self._reference_log_probs(batch)]
        chosen, rejected = (p - r for p, r in zip(policy, before, strict=True))
        return self._job.config.beta * (chosen - rejected)


def _tokens(row: dict[str, list[int]]) -> int:
    """Tokens of a pair: the prompt counts with each answer."""
    return 2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])
