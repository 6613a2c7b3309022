"""Learning from answers that are rated good or bad, one by one (KTO), by TRL.

The loss compares an answer's reward with the KL divergence of the model from its reference. TRL
estimates it in each batch with answers that do not belong to their prompts: each prompt is
given the answer of the row before it. Here such a batch is a block of batch_size rows, in every
attempt: an attempt with smaller micro-batches computes the same pairs and the same estimate, in
more pieces. So running out of memory changes no result.

TRL takes the rows in the order of the file, in every epoch. Files are often sorted by rating, so
here they are shuffled once, by the seed, as Dataset.shuffle does.
"""

from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import KTOConfig, KTOTrainer
from trl.models.utils import disable_gradient_checkpointing

from . import fits, reference
from .fault import Input
from .job import Job
from .method import Evaluation, Row, Stats
from .sft import questions
from .tokens import check_dropped, each, tally

KTO = "kto"  # the loss that needs the KL divergence


class Trainer(reference.Trainer, KTOTrainer):
    """TRL's trainer that stops and resumes with identical results.

    What the loss compares with is computed for a whole optimizer step before its first
    micro-batch: the reference, and the KL estimate of each block.
    """

    block = 1  # micro-batches of a block
    _kl: Any = None  # log-probabilities of the block in progress

    def count_tokens(self, inputs: dict[str, Any]) -> Any:
        return inputs["attention_mask"].sum()  # the pairs for the estimate teach nothing

    def get_batch_samples(self, *args: Any, **named: Any) -> Any:
        batches, items = super().get_batch_samples(*args, **named)
        batches = [self._prepare_inputs(b) for b in batches]
        for start in range(0, len(batches), self.block):
            self._refer(batches[start : start + self.block])
        return batches, items

    def _refer(self, block: list[dict[str, Any]]) -> None:
        policy, before = [], []
        for batch in block:
            batch["ref_logps"], kl = self.compute_ref_log_probs(self.ref_model or self.model, batch)
            if self.calculate_KL:
                before.append(kl)
                policy.append(self.mismatched(batch))
        if self.calculate_KL:
            for batch in block:
                batch["ref_KL_logps"] = torch.cat(before)
                batch["policy_KL_logps"] = torch.cat(policy)

    def mismatched(self, batch: dict[str, Any]) -> torch.Tensor:
        """The model's log-probabilities of answers that do not belong to their prompts."""
        arguments = self.args.gradient_checkpointing_kwargs
        with self.accelerator.autocast(), disable_gradient_checkpointing(self.model, arguments):
            return super()._compute_kl_logps(self.model, batch)

    def _compute_kl_logps(self, *_: Any) -> Any:
        return self._kl

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
        self._kl = inputs.pop("policy_KL_logps", None)
        return super().compute_loss(model, inputs, *args, **named)


class Method(reference.Method):
    """See method.py. Base, weights and files are as in SFT."""

    def __init__(self, job: Job):
        c = job.config
        if c.packing:
            raise Input("packing: kto rates single answers, which are not packed; set it to false")
        if c.loss == KTO and c.batch_size < 2:
            raise Input(
                "batch_size: kto needs at least 2 rows, because it gives each prompt the answer of "
                "another row; set it to 2 or more"
            )
        if c.batch_size % job.micro_batch:
            raise Input(f"micro_batch: {job.micro_batch} does not divide batch_size {c.batch_size}")
        super().__init__(job)

    def prepare(self, train: list[Row], held_out: list[Row]) -> Stats:
        c, encoder = self._job.config, self._encoder()
        encoded = each("train", train, encoder.kto)
        kept = [row for row, _ in encoded if row is not None]
        if not kept:
            raise Input(
                f"no row has room for an answer within max_seq_length {c.max_seq_length}; raise it"
            )
        tokens = (row["prompt_ids"] + row["completion_ids"] for row in kept)
        fits.vocabulary(self._job, self.model, self._tokenizer, tokens)
        order = np.random.default_rng(self._job.seed).permutation(len(encoded))
        shuffled = [row for row in (encoded[i][0] for i in order) if row is not None]
        blocks = range(0, len(shuffled), c.batch_size)
        self._train = Dataset.from_list(
            [row for i in blocks for row in self._pair(shuffled[i : i + c.batch_size])]
        )
        self._held_out = [row for row, _ in each("eval", held_out, encoder.kto)]
        check_dropped(
            self._job,
            [(row, ids) for row, (ids, _) in zip(train, encoded, strict=True)],
            list(zip(held_out, self._held_out, strict=True)),
        )
        self._questions = questions(encoder, held_out)
        lengths = [length for _, length in encoded]
        return tally(
            lengths,
            sum(self._tokens(row) for row in kept),
            sum(n > c.max_seq_length for n in lengths),
            len(encoded) - len(kept),
            len(held_out),
            sum(self._tokens(row) for row in self._held_out if row is not None),
            self._held_out.count(None),
        )

    def _tokens(self, row: Row) -> int:
        return min(self._job.config.max_seq_length, len(row["prompt_ids"] + row["completion_ids"]))

    def _pair(self, block: list[Row]) -> list[Row]:
        """Each row with the answer of the row before it."""
        if self._job.config.loss != KTO:
            return block
        answers = [row["completion_ids"] for row in block]
        others = answers[-1:] + answers[:-1]
        return [
            {**row, "KL_completion_ids": other} for row, other in zip(block, others, strict=True)
        ]

    def trainer(self, arguments: dict[str, Any]) -> Trainer:
        c, micro = self._job.config, self._job.micro_batch
        args = KTOConfig(
            # The library refuses a batch of one row, which would be paired with itself.
            # Here the block is what counts.
            **{**arguments, "per_device_train_batch_size": c.batch_size},
            beta=c.beta,
            loss_type=c.loss,
            desirable_weight=c.desirable_weight,
            undesirable_weight=c.undesirable_weight,
            max_length=c.max_seq_length,
        )
        t = Trainer(args=args, train_dataset=self._train, **self._models())
        t.args.per_device_train_batch_size = t._train_batch_size = micro
        t.block = c.batch_size // micro
        t.precompute_ref_logps = True  # the batches bring the reference
        return self._begin(t)

    def evaluate(self) -> Evaluation:
        known = [i for i, row in enumerate(self._held_out) if row is not None]
        rows: list[dict[str, Any]] = [
            {"row": i, "loss": None, "accuracy": None, "margin": None}
            for i in range(len(self._held_out))
        ]
        if not known:
            return Evaluation({}, rows)
        good = torch.tensor([self._held_out[i]["label"] for i in known])
        ratios, kl = self._ratios([self._held_out[i] for i in known])
        c = self._job.config
        sign = torch.where(good, 1.0, -1.0)
        weight = torch.where(good, c.desirable_weight, c.undesirable_weight)
        rewards = c.beta * ratios
        values = {
            "loss": weight * (1 - torch.sigmoid(sign * (rewards - c.beta * kl))),
            "accuracy": (sign * rewards > 0).double(),
        }
        if good.any() and not good.all():
            values["margin"] = margins(rewards, good)
        for name, column in values.items():
            for i, value in zip(known, column.tolist(), strict=True):
                rows[i][name] = value
        return Evaluation({name: float(v.mean()) for name, v in values.items()}, rows)

    def matches(self) -> Evaluation:
        return Evaluation({})  # the ratings tell: random ones have no margin

    def _ratios(self, rows: list[Row]) -> tuple[torch.Tensor, float]:
        """Of each row the log of how much likelier its answer is than under the reference; and
        the KL divergence, estimated once for all rows."""
        ratios, kl, paired = [], [], self._pair(rows)
        for start in range(0, len(paired), self._job.micro_batch):
            batch = self._collate(paired[start : start + self._job.micro_batch])
            batch = {k: v.to(self._trainer.args.device) for k, v in batch.items()}
            before, kl_before = self._reference_log_probs(batch)
            ratios.append(self._log_probs(batch).double() - before.double())
            if kl_before is not None:
                kl.append(self._trainer.mismatched(batch).double() - kl_before.double())
        z = max(0.0, float(torch.cat(kl).mean())) if kl else 0.0
        return torch.cat(ratios).cpu(), z


def margins(rewards: torch.Tensor, good: torch.Tensor) -> torch.Tensor:
    """Of each row how far its reward is on its rating's side of the middle between both.

    Good and bad rows weigh the same in total, so the mean is the mean reward of good rows minus
    that of bad ones. A model that makes all answers likelier, or less likely, gains nothing,
    and neither does one whose ratings are random.
    """
    high, low = rewards[good].mean(), rewards[~good].mean()
    share = torch.where(good, good.double().mean(), (~good).double().mean())
    sign = torch.where(good, 1.0, -1.0)
    return sign * (rewards - (high + low) / 2) / share
