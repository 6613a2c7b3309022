"""Retrieval metrics of vectors, row by row.

The libraries' evaluators give means only, which no paired test can use.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .matched import others

CUT = 10  # of nDCG and MRR
SCALE = 20.0  # of cosines in multiple-negatives ranking: the temperature is 1/SCALE
_CHUNK = 256  # queries that are ranked at a time

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Between row i of one and row i of the other. Euclid's is torch's own because its root has a
# gradient where two texts are the same.
PAIRWISE: dict[str, Distance] = {
    "cosine": lambda a, b: 1 - F.cosine_similarity(a, b),
    "euclidean": lambda a, b: F.pairwise_distance(a, b, p=2),
    "manhattan": lambda a, b: (a - b).abs().sum(-1),
}

# Between every row of one and every row of the other.
_CROSS: dict[str, Distance] = {
    "cosine": lambda a, b: 1 - F.normalize(a) @ F.normalize(b).T,
    "euclidean": lambda a, b: torch.cdist(a, b, p=2, compute_mode="donot_use_mm_for_euclid_dist"),
    "manhattan": lambda a, b: torch.cdist(a, b, p=1),
}


Metric = str | Distance  # a name above, or the distance itself


def _cross(metric: Metric) -> Distance:
    return _CROSS[metric] if isinstance(metric, str) else metric


@dataclass(frozen=True)
class Pool:
    """What the anchors of rows are looked for in: their positives, each text once."""

    documents: list[int]  # the row that each document is first met in
    own: list[int]  # of each row, the place of its positive
    relevant: list[list[int]]  # of each row, the places of all positives of its anchor

    @classmethod
    def of(cls, rows: list[dict[str, str]]) -> "Pool":
        """The pool of canonical rows."""
        places: dict[str, int] = {}
        documents, answers = [], {}
        for i, row in enumerate(rows):
            if row["positive"] not in places:
                places[row["positive"]] = len(documents)
                documents.append(i)
            answers.setdefault(row["anchor"], set()).add(places[row["positive"]])
        own = [places[row["positive"]] for row in rows]
        return cls(documents, own, [sorted(answers[row["anchor"]]) for row in rows])


def triplets(metric: str, anchor, positive, negative) -> list[dict[str, float]]:
    """Whether the positive is nearer than the negative, and by how much."""
    distance = PAIRWISE[metric]
    margins = (distance(anchor, negative) - distance(anchor, positive)).tolist()
    return [{"accuracy": float(m > 0), "margin": m} for m in margins]


def rank(metric: Metric, queries, corpus, pool: Pool) -> list[dict[str, float]]:
    """nDCG@10 and MRR@10 of each row's anchor.

    Of equally near documents the wrong ones come first, so a model with equal vectors for
    all texts finds nothing.
    """
    rows = []
    for start in range(0, len(queries), _CHUNK):
        some = pool.relevant[start : start + _CHUNK]
        away = _cross(metric)(queries[start : start + _CHUNK], corpus)
        right = _marks(some, away)
        wrong_first = right.int().argsort(dim=1, stable=True)
        order = away.gather(1, wrong_first).argsort(dim=1, stable=True)
        hits = right.gather(1, wrong_first.gather(1, order))[:, :CUT].double().cpu()
        gain = 1 / torch.log2(torch.arange(hits.shape[1]).double() + 2)
        for hit, places in zip(hits, some, strict=True):
            found = hit.nonzero().flatten().tolist()
            ideal = gain[: len(places)].sum()
            rows.append(
                {
                    "ndcg": float((hit * gain).sum() / ideal),
                    "mrr": 1 / (found[0] + 1) if found else 0.0,
                }
            )
    return rows


def strangers(metric: Metric, queries, corpus, pool: Pool, rows) -> list[dict[str, float | None]]:
    """other_ndcg: how well the anchors of other rows find what each row's anchor should find.

    A model that ranks a few documents first, whatever is asked, raises both alike.
    """
    keys = [(row["anchor"], places[0]) for row, places in zip(rows, pool.relevant, strict=True)]
    pairs = [(i, j) for i, found in enumerate(others(keys)) for j in found]
    if not pairs:
        return []
    asked = Pool(pool.documents, [], [pool.relevant[i] for i, _ in pairs])
    found: dict[int, list[float]] = {}
    values = rank(metric, queries[[j for _, j in pairs]], corpus, asked)
    for (i, _), value in zip(pairs, values, strict=True):
        found.setdefault(i, []).append(value["ndcg"])
    means = {i: sum(v) / len(v) for i, v in found.items()}
    return [{"other_ndcg": means.get(i)} for i in range(len(rows))]


def ranking_losses(queries, corpus, pool: Pool, negatives=None) -> list[dict[str, float]]:
    """The loss of multiple-negatives ranking where each row's anchor meets the whole corpus.

    Other positives of an anchor are no negatives of it. negatives holds one more document
    for each row, or nothing.
    """
    rows: list[dict[str, float]] = []
    for start in range(0, len(queries), _CHUNK):
        part = slice(start, start + _CHUNK)
        scores, also = SCALE * (1 - _CROSS["cosine"](queries[part], corpus)), None
        if negatives is not None:
            also = SCALE * F.cosine_similarity(queries[part], negatives[part])
        rows += score_losses(scores, Pool([], pool.own[part], pool.relevant[part]), also)
    return rows


def score_losses(scores, pool: Pool, also=None) -> list[dict[str, float]]:
    """The same of the scores of all rows with all documents; also has those of one more each."""
    places = torch.tensor(pool.own, device=scores.device)[:, None]
    positive = scores.gather(1, places)
    scores = scores.masked_fill(_marks(pool.relevant, scores), -torch.inf)
    scores = scores.scatter(1, places, positive)
    if also is not None:
        scores = torch.cat([scores, also[:, None]], dim=1)
    return [{"loss": x} for x in (scores.logsumexp(1) - positive[:, 0]).tolist()]


def _marks(places: list[list[int]], like) -> torch.Tensor:
    """True where a document is right for a query."""
    marks = torch.zeros(like.shape, dtype=torch.bool)
    for row, columns in zip(marks, places, strict=True):
        row[columns] = True
    return marks.to(like.device)
