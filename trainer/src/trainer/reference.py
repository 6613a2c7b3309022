"""What DPO and KTO share: both compare the model in training with its reference, which is the
model as the job began it."""

from typing import Any

import torch
from datasets import Dataset

from . import apart, model, origin, quantized
from .durable import Durable
from .sft import Method as SFT


class Trainer(Durable):
    """Comes before TRL's trainer. Rows are tokenized already, and the loss of a step is the mean
    over its rows, also when its micro-batches differ in size: the library takes the mean of
    their means."""

    _rows = 0  # of the optimizer step in progress

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def get_batch_samples(self, *args: Any, **named: Any) -> Any:
        batches, items = super().get_batch_samples(*args, **named)
        self._rows = sum(len(b["input_ids"]) for b in batches)
        return batches, items

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
        loss = super().compute_loss(model, inputs, *args, **named)
        return loss * (
            len(inputs["input_ids"]) * self.current_gradient_accumulation_steps / self._rows
        )


class Method(SFT):
    """Base, weights and files are as in SFT."""

    def _models(self) -> dict[str, Any]:
        """The arguments of TRL's trainer that decide what is trained and what is the reference.
        With an adapter that is the base with the adapter off, so no second model is loaded."""
        return {
            "model": self.model,
            "ref_model": None if self._job.lora else model.causal(self._job).eval(),
            "processing_class": self._tokenizer,
            "peft_config": model.lora(self._job, "CAUSAL_LM"),
        }

    def _begin(self, t: Any) -> Any:
        """Set the weights with which the job and its reference begin."""
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

    def _log_probs(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The log-probability of each sequence's answer under the model in training."""
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
        with self._trainer.accelerator.autocast():
            out = self.model(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                labels=labels,
                use_cache=False,
                fused_lm_head=True,
            )
        return out.log_probs.sum(1)

    def _reference_log_probs(self, batch: dict[str, torch.Tensor]) -> Any:
        """The same under the reference, as TRL's trainer returns it."""
        other = self._trainer.ref_model or self.model  # itself, with the adapter off or as it was
        return self._trainer.compute_ref_log_probs(other, batch)
