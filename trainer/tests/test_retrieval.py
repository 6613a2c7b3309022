import math

import pytest
import torch
import torch.nn.functional as F
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import TripletDistanceMetric

from trainer.retrieval import PAIRWISE, SCALE, Pool, rank, ranking_losses, triplets


def rows(*pairs):
    return [{"anchor": a, "positive": p} for a, p in pairs]


def axes(*places, size=12):
    return torch.eye(size)[list(places)]


def test_pool_has_each_text_once():
    pool = Pool.of(rows(("a", "x"), ("b", "y"), ("a", "z"), ("c", "x")))
    assert pool.documents == [0, 1, 2]
    assert pool.own == [0, 1, 2, 0]
    assert pool.relevant == [[0, 2], [1], [0, 2], [0]]


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan"])
def test_distances_are_the_library_s(metric):
    torch.manual_seed(0)
    a, b = torch.randn(9, 16), torch.randn(9, 16)
    want = getattr(TripletDistanceMetric, metric.upper())(a, b)
    torch.testing.assert_close(PAIRWISE[metric](a, b), want)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan"])
def test_equal_texts_have_a_gradient(metric):
    a = torch.randn(2, 4, requires_grad=True)
    PAIRWISE[metric](a, a.detach().clone()).sum().backward()
    assert torch.isfinite(a.grad).all()


def test_triplets():
    far, near = torch.tensor([[0.0, 3.0]]), torch.tensor([[1.0, 0.0]])
    anchor = torch.tensor([[0.0, 0.0]])
    (got,) = triplets("euclidean", anchor, near, far)
    assert got == {"accuracy": 1.0, "margin": pytest.approx(2, abs=1e-4)}
    (got,) = triplets("manhattan", anchor, far, near)
    assert got == {"accuracy": 0.0, "margin": -2.0}
    (got,) = triplets("cosine", near, near, near)
    assert got["accuracy"] == 0.0  # equally near is not nearer


def test_ranks_by_hand():
    pool = Pool.of(rows(("a", "x"), ("b", "y"), ("a", "z")))
    corpus = axes(0, 1, 2)
    queries = torch.stack([corpus[0], corpus[0] + 2 * corpus[2] + 3 * corpus[1], corpus[1]])
    got = rank("cosine", queries, corpus, pool)
    # x first; y and z tie, and the wrong one of a tie comes first.
    assert got[0] == {"mrr": 1.0, "ndcg": pytest.approx(1.5 / (1 + 1 / math.log2(3)))}
    assert got[1] == {"mrr": 1.0, "ndcg": pytest.approx(1.0)}
    second_and_third = 1 / math.log2(3) + 1 / 2
    assert got[2] == {"mrr": 0.5, "ndcg": pytest.approx(second_and_third / (1 + 1 / math.log2(3)))}


def test_equal_vectors_find_nothing():
    pool = Pool.of(rows(*((f"a{i}", f"p{i}") for i in range(12))))
    same = torch.ones(12, 4)
    for metric in PAIRWISE:
        assert rank(metric, same, same, pool) == [{"ndcg": 0.0, "mrr": 0.0}] * 12


def test_means_are_those_of_the_library():
    torch.manual_seed(1)
    n = 300  # more than are ranked at a time
    pairs = [(f"a{i % 250}", f"p{i % 270}") for i in range(n)]
    pool = Pool.of(rows(*pairs))
    vectors = {t: torch.randn(8) for pair in pairs for t in pair}
    queries = torch.stack([vectors[a] for a, _ in pairs])
    corpus = torch.stack([vectors[pairs[i][1]] for i in pool.documents])
    got = rank("cosine", queries, corpus, pool)

    class Model:
        similarity_fn_name = "cosine"

        def encode_query(self, texts, **_):
            return torch.stack([vectors[t] for t in texts])

        encode_document = encode_query

    evaluator = InformationRetrievalEvaluator(
        {str(i): a for i, (a, _) in enumerate(pairs)},
        {p: p for _, p in pairs},
        {
            str(i): {pairs[pool.documents[d]][1] for d in pool.relevant[i]}
            for i in range(len(pairs))
        },
        score_functions={"cosine": lambda a, b: F.normalize(a) @ F.normalize(b).T},
        write_csv=False,
    )
    evaluator.model_card_data = None
    want = evaluator.compute_metrices(Model())["cosine"]
    assert sum(r["ndcg"] for r in got) / n == pytest.approx(want["ndcg@k"][10])
    assert sum(r["mrr"] for r in got) / n == pytest.approx(want["mrr@k"][10])


def test_ranking_losses():
    pool = Pool.of(rows(("a", "x"), ("b", "y"), ("a", "z")))
    corpus = axes(0, 1, 2)
    (a, b, c) = (r["loss"] for r in ranking_losses(corpus, corpus, pool))
    # The other positive of an anchor does not count: two documents are left, or three.
    assert a == c == pytest.approx(math.log(1 + math.exp(-SCALE)), abs=1e-6)
    assert b == pytest.approx(math.log(1 + 2 * math.exp(-SCALE)), abs=1e-6)
    (a, _, _) = ranking_losses(corpus, corpus, pool, negatives=corpus)
    assert a["loss"] == pytest.approx(math.log(2), abs=1e-6)
