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

from . import apart, fits, model, origin, quantized
from .durable import Durable
from .fault import Input
from .job import Job
from .method import Evaluation, Row, Stats
from .sft import Method as SFT
from .sft import questions
from .tokens import check_dropped, each, tally


class Trainer(Durable, DPOTrainer):
    """TRL's trainer that stops and resumes with identical results."""

    _rows = 0  # of the optimizer step in progress

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset  # tokenized already

    def get_batch_samples(self, *args: Any, **named: Any) -> Any:
        batches, items = super().get_batch_samples(*args, **named)
        self._rows = sum(len(b["input_ids"]) for b in batches)
        return batches, items

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
        # The mean over the rows of a step, also when its micro-batches differ in size: the
        # library takes the mean of their means.
        loss = super().compute_loss(model, inputs, *args, **named)
        return loss * (
            len(inputs["input_ids"]) * self.current_gradient_accumulation_steps / self._rows
        )


class Method(SFT):
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
        t = Trainer(
            model=self.model,
            ref_model=None if self._job.lora else model.causal(self._job).eval(),
            args=DPOConfig(
                **arguments,
                beta=self._job.config.beta,
                max_length=self._job.config.max_seq_length,
            ),
            train_dataset=self._train,
            processing_class=self._tokenizer,
            peft_config=model.lora(self._job, "CAUSAL_LM"),
        )
        self.model = t.model
        quantized.restore_adapter(self._job, t.model)
        origin.restore(self._job, t.model)
        origin.reference(self._job, t.model)
        self._collate = t.data_collator
        if self._apart:
            for m in (t.model.get_base_model() if self._job.lora else t.model, t.ref_model):
                if m is not None:
                    apart.compact(m)
        self._trainer = t
        return t

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
        policy = [x.float() for x in self._policy(batch)]
        other = self._trainer.ref_model or self.model  # itself, with the adapter off or as it was
        reference = [x.float() for x in self._trainer.compute_ref_log_probs(other, batch)]
        chosen, rejected = (p - r for p, r in zip(policy, reference, strict=True))
        return self._job.config.beta * (chosen - rejected)

    def _policy(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
        with self._trainer.accelerator.autocast():
            out = self.model(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                labels=labels,
                use_cache=False,
                fused_lm_head=True,
            )
        return out.log_probs.sum(1).chunk(2)


def _tokens(row: dict[str, list[int]]) -> int:
    """Tokens of a pair: the prompt counts with each answer."""
    return 2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])
