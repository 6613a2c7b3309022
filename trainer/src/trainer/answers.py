"""What a model answers to a few held-out rows, for people to read.

No metric, choice or weight depends on it. The rows are the first ones that have a question,
so they are not picked by how the training went.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

SHOWN = 5  # rows
SHORTEST, LONGEST = 16, 256  # tokens that an answer may have
CHARACTERS = 4000  # of an answer that are kept


@dataclass
class Question:
    """A held-out row up to the answer."""

    row: int
    ids: list[int]
    expected: int  # tokens of the expected answer
    pictures: list[str] = field(default_factory=list)  # of the row, up to the answer


def generate(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    questions: list[Question],
    together: int,
    longest: int,
    inputs: Callable[[torch.Tensor, list[str]], dict[str, torch.Tensor]] | None = None,
) -> list[dict[str, Any]]:
    """The model's answers, the most likely token each time, `together` rows at once.

    The model is in eval(); gradients are off. longest is how many tokens question and answer
    may have (max_seq_length). An answer may have twice the tokens of the longest expected one;
    one that reached a limit is `cut`. inputs gives what the model reads of images.
    """
    tokens = min(max(SHORTEST, 2 * max(q.expected for q in questions)), LONGEST)
    lines = []
    for start in range(0, len(questions), together):
        some = questions[start : start + together]
        width = max(len(q.ids) for q in some)
        ids = [[tokenizer.pad_token_id] * (width - len(q.ids)) + q.ids for q in some]
        mask = [[0] * (width - len(q.ids)) + [1] * len(q.ids) for q in some]
        given = torch.tensor(ids, device=model.device)
        seen = inputs(given, [name for q in some for name in q.pictures]) if inputs else {}
        out = model.generate(
            **{k: v.to(model.device) for k, v in seen.items()},
            input_ids=given,
            attention_mask=torch.tensor(mask, device=model.device),
            max_new_tokens=min(tokens, longest - width),
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        for q, answer in zip(some, out[:, width:].tolist(), strict=True):
            ended = tokenizer.eos_token_id in answer
            if ended:
                answer = answer[: answer.index(tokenizer.eos_token_id)]
            text = tokenizer.decode(answer, skip_special_tokens=True)
            cut = not ended or len(text) > CHARACTERS
            lines.append({"row": q.row, "text": text[:CHARACTERS], "cut": cut})
    return lines
