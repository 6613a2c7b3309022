"""Late-interaction training of ColPali, ColQwen2 and ColIdefics3, by sentence-transformers.

The score of a text and a picture is MaxSim: of each token of the text the nearest vector of the
picture, and the mean of these. The loss is that of multiple negatives ranking over these scores:
colpali-engine's ColbertLoss with its defaults.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer
from sentence_transformers.multi_vector_encoder.losses import (
    CachedMultiVectorMultipleNegativesRankingLoss,
    MultiVectorMultipleNegativesRankingLoss,
)
from sentence_transformers.multi_vector_encoder.scoring import mean_colbert_scores
from sentence_transformers.multi_vector_encoder.training_args import (
    MultiVectorEncoderTrainingArguments,
)
from sentence_transformers.util.similarity import maxsim, maxsim_pairwise
from transformers import set_seed

from . import colvision, embedding, findings, fits, model, origin, retrieval
from .durable import Durable
from .fault import Input
from .job import Job
from .method import Evaluation, Finding, Row, Stats
from .tokens import tally

SCALE = 50.0  # of mean MaxSim scores: the temperature is 1/SCALE, colpali-engine's
COLUMNS = embedding.COLUMNS


class Method:
    """See method.py. An evaluation searches for the positives of the held-out rows."""

    def __init__(self, job: Job):
        self._job = job
        self._batch, self._accumulation = embedding.whole_batch(job)
        set_seed(job.seed)  # an adapter begins with random numbers
        self._net = colvision.load(job)
        if job.lora is not None:
            self._adapt()
        if not job.measure:
            self.model = MultiVectorEncoder(modules=[self._net], device=job.device)

    def _adapt(self) -> None:
        inner, job = self._net.network, self._job
        names = [
            self._net.projection if n == colvision.PROJECTION else n
            for n in job.lora.target_modules
        ]
        lora = dataclasses.replace(job.lora, target_modules=names)
        job = dataclasses.replace(job, lora=lora)
        fits.targets(job, inner)
        inner.name_or_path = job.model.id  # PEFT takes the base's name from here
        config = model.lora(job, "FEATURE_EXTRACTION")
        config.exclude_modules = self._net.frozen_among(names)
        self._net.network = get_peft_model(inner, config)
        origin.restore(job, self._net.network)

    def findings(self, rows: list[Row]) -> list[Finding]:
        _one_kind(rows)
        texts = [{k: v for k, v in row.items() if isinstance(v, str)} for row in rows]
        return findings.embedding(self._net.tokenizer, self._net.room, {}, texts)

    def prepare(self, train: list[Row], held_out: list[Row]) -> Stats:
        self._columns = [k for k in COLUMNS if k in train[0]]
        self._lengths: dict[str, int] = {}
        _one_kind(train + held_out)
        rows, self._held_out = _written(train), _written(held_out)
        self._train = Dataset.from_dict({k: [r[k] for r in rows] for k in self._columns})
        longest, tokens, cut = self._counts(rows)
        _, eval_tokens, _ = self._counts(self._held_out)
        out = embedding.left_out(self._train, self._batch, self._job.seed)
        return tally(longest, tokens, cut, out, len(held_out), eval_tokens)

    def _counts(self, rows: list[Row]) -> tuple[list[int], int, int]:
        """The length of each row's longest input, the tokens of all inputs after the cut, and
        how many rows have a text that is cut."""
        limit, longest, tokens, cut = self._job.config.max_seq_length, [], 0, 0
        for row in rows:
            lengths = []
            for value in row.values():
                if value not in self._lengths:
                    self._lengths[value] = self._net.length(value)
                lengths.append((self._lengths[value], value.startswith('"')))
            longest.append(max(n for n, _ in lengths))
            tokens += sum(min(n, limit) if text else n for n, text in lengths)
            cut += any(text and n > limit for n, text in lengths)
        return longest, tokens, cut

    def trainer(self, arguments: dict[str, Any]) -> "Trainer":
        arguments = {
            **arguments,
            "per_device_train_batch_size": self._batch,
            "gradient_accumulation_steps": self._accumulation,
        }
        if arguments.pop("gradient_checkpointing", False):
            self._net.network.gradient_checkpointing_enable({"use_reentrant": False})
        self._trainer = Trainer(
            model=self.model,
            args=MultiVectorEncoderTrainingArguments(**arguments),
            train_dataset=self._train,
            loss=self._loss(),
        )
        self._trainer.ranks = True
        return self._trainer

    def _loss(self) -> torch.nn.Module:
        how = {"scale": SCALE, "similarity_fct": mean_colbert_scores}
        if self._job.micro_batch < self._batch:
            return CachedMultiVectorMultipleNegativesRankingLoss(
                self.model, mini_batch_size=self._job.micro_batch, **how
            )
        return MultiVectorMultipleNegativesRankingLoss(self.model, **how)

    def evaluate(self) -> Evaluation:
        vectors = self._encode()
        pool = retrieval.Pool.of(self._held_out)
        column = {k: [vectors[r[k]] for r in self._held_out] for k in self._columns}
        corpus = [column["positive"][i] for i in pool.documents]
        how = {"length_normalize": True, "device": self._job.device}
        self._near = near = maxsim(column["anchor"], corpus, **how)
        rows: list[dict[str, Any]] = [{"row": i} for i in range(len(self._held_out))]
        also = None
        if "negative" in column:
            also = maxsim_pairwise(column["anchor"], column["negative"], **how)
            own = maxsim_pairwise(column["anchor"], column["positive"], **how)
            margins = (own - also).tolist()
            embedding.add(rows, [{"accuracy": float(m > 0), "margin": m} for m in margins])
            also = SCALE * also
        embedding.add(rows, retrieval.score_losses(SCALE * near, pool, also))
        embedding.add(rows, retrieval.rank(self._away, self._order(), None, pool))
        names = [k for k in rows[0] if k != "row"]
        return Evaluation({k: sum(r[k] for r in rows) / len(rows) for k in names}, rows)

    def _away(self, rows: torch.Tensor, _: None) -> torch.Tensor:
        """The distances of the held-out rows with these numbers."""
        return 1 - self._near[rows]

    def _order(self) -> torch.Tensor:
        return torch.arange(len(self._held_out))

    def _encode(self) -> dict[str, torch.Tensor]:
        """The vectors of each text and picture of the held-out rows."""
        every = dict.fromkeys(row[k] for k in self._columns for row in self._held_out)
        found: dict[str, torch.Tensor] = {}
        for texts in (True, False):
            some = [value for value in every if value.startswith('"') is texts]
            for start in range(0, len(some), self._job.micro_batch):
                part = some[start : start + self._job.micro_batch]
                batch = {k: v.to(self._job.device) for k, v in self._net.preprocess(part).items()}
                with self._trainer.accelerator.autocast():
                    out = self._net(batch)
                for value, rows, mask in zip(
                    part, out["token_embeddings"], out["attention_mask"], strict=True
                ):
                    found[value] = rows[mask.bool()].float().cpu()
        return found

    def answers(self) -> list[dict[str, Any]]:
        return []  # an embedding model writes no text

    def matches(self) -> Evaluation:
        pool = retrieval.Pool.of(self._held_out)
        rows = retrieval.strangers(self._away, self._order(), None, pool, self._held_out)
        return Evaluation({}, rows)

    def score(self, metrics: dict[str, float]) -> float:
        return -metrics["loss"]

    def save(self, folder: Path) -> None:
        if self._job.lora is not None:
            model.save_adapter(self._job, self._net.network, folder)
        else:
            model.save_whole(self._job, self._net.network, folder)

    def load(self, folder: Path) -> None:
        if self._job.lora is not None:
            model.load_adapter(self._net.network, folder)
        else:
            model.load_whole(self._net.network, folder)

    def merge(self, folder: Path) -> None:
        merged = self._net.network.merge_and_unload(safe_merge=True)
        model.save_whole(self._job, merged, folder)


def _one_kind(rows: list[Row]) -> None:
    """Refuse fields that are a text in one row and a picture in another: a batch is read as one
    or the other."""
    for key, value in (rows[0] if rows else {}).items():
        for i, row in enumerate(rows):
            if isinstance(row[key], str) is not isinstance(value, str):
                kinds = ("an image", "a text") if isinstance(value, str) else ("a text", "an image")
                raise Input(
                    f"{key} is {kinds[0]} in row {i + 1} and {kinds[1]} in row 1; "
                    "use one of them in all rows"
                )


def _written(rows: list[Row]) -> list[dict[str, str]]:
    """Rows with their texts and pictures as JSON, so that equal ones are equal texts."""
    return [{k: json.dumps(v, sort_keys=True) for k, v in row.items()} for row in rows]


class Trainer(embedding.EvenRows, Durable, MultiVectorEncoderTrainer):
    """The library's trainer, as embedding.Trainer is."""

    def count_tokens(self, inputs: dict[str, Any]) -> Any:
        masks = [v for k, v in inputs.items() if k.endswith("_attention_mask")]
        return sum(m.sum() for m in masks if m.ndim == 2)  # those of pixels have more
