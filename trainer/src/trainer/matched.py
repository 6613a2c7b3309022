"""Scores answers alone, with their own question and with questions of other rows.

The loss of a conversation counts its template and its questions, which every training
learns. And the loss of answers falls when a model learns only what answers look like: their
language, length and end. Whether it has learned which answer belongs to which question
shows in the difference: its own question must make an answer more likely than another does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .method import Evaluation

COMPARED = 256  # pairs of an answer with another question; each row has at least one
MOST = 8  # other questions per row


@dataclass(frozen=True)
class Answer:
    """The tokens of a row up to its answer, and those of the answer without its template."""

    head: list[int]
    tokens: list[int]
    pictures: tuple[str, ...] = ()  # of the head

    @property
    def key(self) -> tuple[Any, Any]:
        """What is asked, and what is answered."""
        return (*self.head, *self.pictures), tuple(self.tokens)

    def after(self, other: "Answer", limit: int) -> dict[str, Any]:
        """The answer after the question of a row, which is cut at its start to fit. One with
        images stays whole: no part of an image can be read."""
        head = other.head if other.pictures else other.head[-max(1, limit - len(self.tokens)) :]
        sample = {"input_ids": head + self.tokens, "labels": [-100] * len(head) + self.tokens}
        return {**sample, "pictures": list(other.pictures)} if other.pictures else sample


def others(keys: list[tuple[Any, Any] | None]) -> list[list[int]]:
    """Of each row with (question, answer), the next rows that differ from it in both."""
    n = len(keys)
    most = max(1, min(MOST, COMPARED // max(n, 1)))
    found: list[list[int]] = []
    for i, own in enumerate(keys):
        rows: list[int] = []
        for j in ((i + s) % n for s in range(1, n)):
            other = keys[j]
            if own is None or len(rows) == most:
                break
            if other is not None and other[0] != own[0] and other[1] != own[1]:
                rows.append(j)
        found.append(rows)
    return found


def losses(
    answers: list[Answer | None],
    limit: int,
    score: Callable[[list[dict[str, Any]]], list[float]],
) -> Evaluation:
    """answer_loss of each row, and other_loss, its mean after the questions of other rows.

    score gives the mean loss per token of samples. Without an answer, or without another row
    to compare it with, the value is null. Both are left out if no row has an answer.
    """
    if not any(answers):
        return Evaluation({})
    rows: list[dict[str, float | None]] = [
        {"answer_loss": None, "other_loss": None} for _ in answers
    ]
    pairs = [(i, i) for i, a in enumerate(answers) if a]
    keys = [a.key if a else None for a in answers]
    pairs += [(i, j) for i, found in enumerate(others(keys)) for j in found]
    values = score([answers[i].after(answers[j], limit) for i, j in pairs])
    away: dict[int, list[float]] = {}
    for (i, j), value in zip(pairs, values, strict=True):
        if i == j:
            rows[i]["answer_loss"] = value
        else:
            away.setdefault(i, []).append(value)
    for i, found in away.items():
        rows[i]["other_loss"] = sum(found) / len(found)
    own = [row["answer_loss"] for row in rows if row["answer_loss"] is not None]
    return Evaluation({"answer_loss": sum(own) / len(own)}, rows)
