"""Answers are scored alone, after their own question and after others."""

import json
import random

import jobs as make
import noise
import pytest
import torch
from transformers import AutoModelForCausalLM

from trainer import job as jobs
from trainer import matched, retrieval
from trainer.sft import Method


def test_others_differ_in_question_and_answer():
    keys = [("a", 1), ("a", 2), ("b", 1), None, ("c", 3)]
    assert matched.others(keys) == [[4], [2, 4], [4, 1], [], [0, 1, 2]]
    assert matched.others([("a", 1), ("b", 1)]) == [[], []], "equal answers"
    many = matched.others([(i, i) for i in range(100)])
    assert {len(found) for found in many} == {2} and many[99] == [0, 1]
    assert len(matched.others([(i, i) for i in range(9)])[0]) == matched.MOST
    assert {len(f) for f in matched.others([(i, i) for i in range(1000)])} == {1}


def test_losses_are_those_of_the_answer_alone(tmp_path, random_model):
    rows = make.chats(6)
    d = make.document(tmp_path, random_model, "sft", rows, rows, micro_batch=4)
    m = Method(jobs.parse(json.dumps(d)))
    m.prepare(rows, rows)
    m.trainer({"output_dir": str(tmp_path / "out"), "use_cpu": True, "bf16": False})
    m.model.eval()
    plain = AutoModelForCausalLM.from_pretrained(random_model).eval()

    def loss(head, tokens):
        ids = torch.tensor([head + tokens])
        logs = plain(input_ids=ids).logits[0].log_softmax(-1)
        at = range(len(head), len(head) + len(tokens))
        return -sum(float(logs[i - 1, ids[0, i]]) for i in at) / len(tokens)

    with torch.no_grad():
        found = m.matches()
        for i, row in enumerate(found.rows):
            own = m._answers[i]
            away = [m._answers[j] for j in range(6) if m._answers[j].tokens != own.tokens]
            assert row["answer_loss"] == pytest.approx(loss(own.head, own.tokens), abs=1e-4)
            expected = sum(loss(other.head, own.tokens) for other in away) / len(away)
            assert row["other_loss"] == pytest.approx(expected, abs=1e-4)
    mean = sum(row["answer_loss"] for row in found.rows) / 6
    assert found.metrics == {"answer_loss": pytest.approx(mean)}


def test_long_questions_lose_their_start():
    answer = matched.Answer([1, 2], [7, 8])
    sample = answer.after(matched.Answer(list(range(10, 20)), [9]), 5)
    assert sample == {"input_ids": [17, 18, 19, 7, 8], "labels": [-100, -100, -100, 7, 8]}


def test_texts_have_no_answers():
    assert matched.losses([None, None], 8, lambda _: []).rows == []


def test_frequent_documents_are_found_by_other_anchors_too():
    rows = [{"anchor": f"a{i}", "positive": f"p{i % 2}"} for i in range(4)]
    pool = retrieval.Pool.of(rows)
    corpus = torch.eye(2)
    knows = torch.eye(2)[[0, 1, 0, 1]]
    favours = torch.eye(2)[[0, 0, 0, 0]]
    for queries, expected in ((knows, [0.63] * 4), (favours, [1, 0.63, 1, 0.63])):
        found = retrieval.strangers("cosine", queries, corpus, pool, rows)
        assert [r["other_ndcg"] for r in found] == pytest.approx(expected, abs=1e-2)
    same = [{"anchor": "a", "positive": "p"}] * 3
    assert (
        retrieval.strangers("cosine", torch.eye(3), corpus[:1], retrieval.Pool.of(same), same) == []
    )


def gains(rows):
    return [
        (before["answer_loss"] - after["answer_loss"])
        - (before["other_loss"] - after["other_loss"])
        for before, after in rows
    ]


@pytest.mark.parametrize("rule", [False, True])
def test_only_a_rule_makes_the_own_question_count(tmp_path, model, rule):
    """Random answers become likelier as well, but not more after their own questions."""
    rows = list(noise.train(tmp_path, model, "sft", rule, 1))
    fallen = [before["answer_loss"] - after["answer_loss"] for before, after in rows]
    assert sum(fallen) / len(fallen) > 1
    found = gains(rows)
    mean = sum(found) / len(found)
    error = (sum((x - mean) ** 2 for x in found) / (len(found) - 1) / len(found)) ** 0.5
    assert (mean > 2.5 * error) if rule else (abs(mean) < 2.5 * error)


def test_noise_rows_follow_the_seed():
    first, second = (noise.sft(random.Random(3), False) for _ in range(2))
    assert first == second
