import itertools
import json
import shutil

import jobs
import pytest
import torch
from process import attempt
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from topics import pairs, triplets

from trainer import embedding, tiny
from trainer.encoder import prompts
from trainer.fault import Input

TRAIN, HELD_OUT = triplets(320, 1), triplets(64, 2)
LEARN = {
    "epochs": 6,
    "batch_size": 16,
    "micro_batch": 16,
    "learning_rate": 1e-2,
    "max_seq_length": 32,
    "target_modules": ["all-linear"],
    "dropout": 0.1,
}
SHORT = LEARN | {"epochs": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return tiny.make("encoder", tmp_path_factory.mktemp("encoder"), train_steps=50)


@pytest.fixture
def run(encoder, tmp_path, train):
    """Runs a job and returns its folder of work and its events."""
    number = itertools.count()

    def go(rows=TRAIN, held_out=HELD_OUT, base=encoder, **changes):
        folder = tmp_path / str(next(number))
        document = jobs.document(folder, base, "embedding", rows, held_out, **changes)
        return folder / "work", train(document)

    return go


def vectors(folder, adapter=None):
    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = 32
    if adapter is not None:
        model.load_adapter(str(adapter))
    return model.encode([r["anchor"] for r in HELD_OUT], convert_to_tensor=True)


@pytest.mark.parametrize(
    ("metric", "margin"), [("cosine", 0.5), ("euclidean", 2.0), ("manhattan", 10.0)]
)
def test_unseen_triplets_are_told_apart(run, metric, margin):
    _, events = run(**LEARN, distance_metric=metric, triplet_margin=margin)
    base, best = jobs.evaluations(events)["base"], jobs.evaluations(events)["best"]
    assert 0.35 < base["accuracy"] < 0.65
    assert base["loss"] == pytest.approx(margin, rel=0.1)
    assert jobs.losses(events)[0] == pytest.approx(margin, rel=0.1)
    assert best["accuracy"] > 0.95
    assert best["margin"] > margin / 2
    assert best["ndcg"] > 2 * base["ndcg"]
    assert best["mrr"] > 2 * base["mrr"]


def test_all_weights_learn_and_are_published(run, encoder):
    work, events = run(**LEARN | {"lora": None, "learning_rate": 1e-3})
    assert jobs.evaluations(events)["best"]["accuracy"] > 0.95
    assert not torch.equal(vectors(work / "output/best"), vectors(encoder))
    own = SentenceTransformer(str(work / "output/best"), device="cpu")
    assert own.max_seq_length == tiny.LONGEST["encoder"]  # not the job's


@pytest.mark.parametrize("rows", [triplets, pairs])
def test_ranking_learns(run, rows):
    _, events = run(rows(320, 1), rows(64, 2), **LEARN, loss="mnr")
    base, best = jobs.evaluations(events)["base"], jobs.evaluations(events)["best"]
    assert best["loss"] < base["loss"] - 0.3
    assert best["ndcg"] > 2 * base["ndcg"]
    assert ("accuracy" in best) == (rows is triplets)
    if rows is triplets:
        assert best["accuracy"] > 0.9


def test_distances_train_differently(run):
    ends = []
    for metric in ("cosine", "euclidean", "manhattan"):
        work, _ = run(**SHORT, distance_metric=metric)
        ends.append(load_file(work / "output/last/adapter_model.safetensors"))
    for a, b in itertools.combinations(ends, 2):
        assert any(not torch.equal(a[k], b[k]) for k in a)


def test_seeds_train_differently(run):
    ends = [run(**SHORT, seed=s)[0] / "output/last/adapter_model.safetensors" for s in (1, 2, 2)]
    assert ends[0].read_bytes() != ends[1].read_bytes()
    assert ends[1].read_bytes() == ends[2].read_bytes()


@pytest.fixture(scope="module")
def calm(encoder, tmp_path_factory):
    """The encoder without dropout, which would depend on how rows are put together."""
    folder = tmp_path_factory.mktemp("calm") / "encoder"
    shutil.copytree(encoder, folder)
    path = folder / "config.json"
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | off))
    return folder


@pytest.mark.parametrize("loss", ["triplet", "mnr"])
@pytest.mark.parametrize("rows", [32, 37])
def test_a_smaller_micro_batch_trains_the_same(run, calm, loss, rows):
    """Also where the last step of an epoch is cut unevenly, and, since an anchor of the ranking
    loss keeps all its negatives, for both losses."""
    shape = SHORT | {"epochs": 2, "batch_size": 8, "loss": loss, "lora": None, "base": calm}
    ends = []
    for part in (8, 2, 1):
        shape |= {"micro_batch": part, "accumulation": 8 // part}
        ends.append(jobs.losses(run(TRAIN[:rows], [], **shape)[1]))
    assert len(ends[0]) == 2 * -(-rows // 8)
    for other in ends[1:]:
        assert other == pytest.approx(ends[0], rel=1e-3)


@pytest.mark.parametrize("lora", [{"lora": None}, {}])
def test_recomputing_activations_changes_nothing(run, calm, lora, monkeypatch):
    """As on a GPU, where memory is short."""
    from trainer import run as whole

    plain = jobs.losses(run(TRAIN[:32], [], calm, **SHORT | lora)[1])
    arguments, recomputed = whole.arguments, []
    asked = {"gradient_checkpointing": True}
    monkeypatch.setattr(whole, "arguments", lambda job: arguments(job) | asked)
    build = embedding.Method.trainer

    def trainer(method, given):
        built = build(method, given)
        recomputed.append(method.model[0].model.is_gradient_checkpointing)
        return built

    monkeypatch.setattr(embedding.Method, "trainer", trainer)
    assert jobs.losses(run(TRAIN[:32], [], calm, **SHORT | lora)[1]) == pytest.approx(
        plain, rel=1e-5
    )
    assert recomputed == [True]


def test_reloaded_and_merged_adapters_say_the_same(run, encoder):
    work, events = run(**SHORT, merge=True)
    output = work / "output"
    names = sorted(p.name for p in (output / "best").iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    config = json.loads((output / "best/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "test/tiny"
    assert config["revision"] == "a" * 40
    assert config["task_type"] == "FEATURE_EXTRACTION"
    adapted = vectors(encoder, output / "best")
    assert not torch.allclose(adapted, vectors(encoder), atol=1e-3)
    torch.testing.assert_close(vectors(output / "merged"), adapted, atol=1e-5, rtol=1e-4)
    # What was scored is what is published.
    lines = (work / "evals/best.jsonl").read_text().splitlines()
    margins = [json.loads(line)["margin"] for line in lines]
    model = SentenceTransformer(str(encoder), device="cpu")
    model.load_adapter(str(output / "best"))
    a, p, n = (
        model.encode([r[k] for r in HELD_OUT], convert_to_tensor=True) for k in embedding.COLUMNS
    )
    again = torch.cosine_similarity(a, p) - torch.cosine_similarity(a, n)
    torch.testing.assert_close(torch.tensor(margins), again, atol=1e-5, rtol=1e-4)
    assert jobs.evaluations(events)["best"]["margin"] == pytest.approx(sum(margins) / len(margins))


def test_rows_of_an_evaluation(run):
    work, events = run(TRAIN[:16], HELD_OUT[:5], **SHORT)
    for e in (e for e in events if e["event"] == "eval"):
        rows = [json.loads(line) for line in (work / e["rows"]).read_text().splitlines()]
        assert [r["row"] for r in rows] == list(range(5))
        assert all(("other_ndcg" in r) == (e["of"] != "current") for r in rows)
        for name, mean in e["metrics"].items():
            assert mean == pytest.approx(sum(r[name] for r in rows) / 5)
    assert set(e["metrics"]) == {"loss", "accuracy", "margin", "ndcg", "mrr"}


def test_what_the_tokenizer_found(run):
    long = {"anchor": "word " * 50, "positive": "b", "negative": "c"}
    _, events = run([long, *TRAIN[:9]], HELD_OUT[:2], **SHORT)
    (data,) = (e["data"] for e in events if e["event"] == "data")
    assert (data["rows"], data["eval_rows"], data["truncated"]) == (10, 2, 1)
    assert data["max"] > 50
    assert data["p50"] < 32
    tokens = [e["tokens"] for e in events if e["event"] == "step"]
    assert tokens[-1] == data["tokens"]


def test_rows_that_would_meet_themselves_are_left_out_and_counted(run):
    rows = [{k: f"{k[0]}{i}" for k in TRAIN[0]} for i in range(16)]
    often = [r | {"anchor": "the same"} for r in rows[:8]]
    shape = SHORT | {"epochs": 2, "loss": "mnr", "batch_size": 4, "micro_batch": 4}
    _, events = run([*often, *rows[8:]], HELD_OUT[:4], **shape)
    (data,) = (e["data"] for e in events if e["event"] == "data")
    # The 8 share 4 batches with the others; each takes one of them.
    assert data["dropped"] == 4
    assert [e["epoch"] for e in events if e["event"] == "step"][3::4] == [1, 2]
    _, events = run(rows, HELD_OUT[:4], **shape)
    (data,) = (e["data"] for e in events if e["event"] == "data")
    assert data["dropped"] == 0


@pytest.fixture
def prompted(calm, tmp_path):
    """The calm encoder with prompts in its configuration."""
    folder = tmp_path / "prompted"
    shutil.copytree(calm, folder)
    path = folder / "config_sentence_transformers.json"
    config = json.loads(path.read_text())
    config["prompts"] = {"query": "search for: ", "passage": "text: "}
    path.write_text(json.dumps(config))
    return folder


def test_prompts_of_the_model_are_applied(run, prompted, calm):
    before = {"anchor": "search for: ", "positive": "text: ", "negative": "text: "}
    asked = [{k: before[k] + r[k] for k in r} for r in TRAIN[:32]]
    shape = SHORT | {"dropout": 0.0}
    _, by_model = run(rows=TRAIN[:32], held_out=HELD_OUT[:9], base=prompted, **shape)
    _, by_hand = run(rows=asked, held_out=[], base=calm, **shape)
    _, without = run(rows=TRAIN[:32], held_out=[], base=calm, **shape)
    assert jobs.losses(by_model) == pytest.approx(jobs.losses(by_hand), rel=1e-4)
    assert jobs.losses(by_model)[0] != pytest.approx(jobs.losses(without)[0], rel=1e-3)
    model = SentenceTransformer(str(calm), device="cpu")
    a, p, n = (
        model.encode([before[k] + r[k] for r in HELD_OUT[:9]], convert_to_tensor=True)
        for k in embedding.COLUMNS
    )
    want = (torch.cosine_similarity(a, p) - torch.cosine_similarity(a, n)).mean().item()
    assert jobs.evaluations(by_model)["base"]["margin"] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize(
    ("configured", "default", "want"),
    [
        ({"query": "q: ", "document": "d: ", "passage": "p: "}, None, ("q: ", "d: ")),
        ({"query": "q: ", "passage": "p: "}, None, ("q: ", "p: ")),
        ({"query": "q: "}, "query", ("q: ", "")),
        ({"sts": "s: "}, "sts", ("s: ", "s: ")),
        ({"sts": "s: "}, None, ("", "")),
    ],
)
def test_which_prompts(encoder, configured, default, want):
    model = SentenceTransformer(
        str(encoder), device="cpu", prompts=configured, default_prompt_name=default
    )
    assert prompts(model) == want


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["q_proj", "v_proj"], {"query", "value"}),
        (["q_proj", "k_proj", "v_proj", "o_proj"], {"query", "key", "value", "output.dense"}),
        (["query", "intermediate.dense"], {"query", "intermediate.dense"}),
    ],
)
def test_layers_by_their_usual_names(run, asked, found):
    work, _ = run(TRAIN[:16], HELD_OUT[:2], **SHORT | {"target_modules": asked})
    names = load_file(work / "output/best/adapter_model.safetensors")
    assert len(names) == 2 * 2 * len(found)
    assert all(any(n.split(".lora_")[0].endswith(f) for f in found) for n in names)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target_modules": ["c_attn"]}, "no linear layer 'c_attn'; it has dense, key, query"),
        ({"target_modules": ["q_proj", "nothing"]}, "no linear layer 'nothing'"),
        ({"triplet_margin": 2.0}, "not below 2"),
        ({"triplet_margin": 0.0}, "not above 0"),
        ({"triplet_margin": 0.0, "distance_metric": "manhattan"}, "not above 0"),
        ({"loss": "mnr", "micro_batch": 3}, "are not the 16 x 1 rows"),
    ],
)
def test_what_is_refused(run, changes, words):
    with pytest.raises(Input, match=words):
        run(**SHORT | changes)


def test_pairs_have_no_triplet_loss(run):
    with pytest.raises(Input, match='set loss to "mnr"'):
        run(pairs(8, 1), [], **SHORT)


def test_a_model_that_lacks_weights_is_refused(run, encoder, tmp_path):
    folder = tmp_path / "lacks"
    shutil.copytree(encoder, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.attention.self.key.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Input, match=r"lack the weights encoder\.layer\.1"):
        run(**SHORT, base=folder)


def test_equal_texts_keep_euclid_finite(run):
    rows = [r | {"anchor": r["positive"]} for r in TRAIN[:16]]
    _, events = run(rows, [], **SHORT | {"dropout": 0.0}, distance_metric="euclidean")
    assert events[-1]["event"] == "done"


# 45 rows, 4 x 2 a step: 6 steps an epoch; step 8 is in the middle of epoch 1.
DURABLE = {
    "epochs": 3,
    "batch_size": 4,
    "micro_batch": 4,
    "accumulation": 2,
    "gradient_accumulation_steps": 2,
    "save_steps": 4,
    "eval_steps": 5,
    "max_seq_length": 32,
    "learning_rate": 3e-3,
    "dropout": 0.2,
}
VARIANTS = {
    "triplet": {},
    "ranking": {"loss": "mnr"},
    "ranking in parts": {"loss": "mnr", "micro_batch": 2, "accumulation": 4},
    "all weights": {"lora": None, "learning_rate": 1e-3},
}


def ended(document):
    code, events = attempt(document)
    assert code == 0, events
    return events


def same(work, events, other, others):
    for path in (p for p in sorted((work / "output").rglob("*")) if p.is_file()):
        if path.read_bytes() != (other / path.relative_to(work)).read_bytes():
            return f"{path.name} differs"
    done, other_done = ({**e[-1], "elapsed": None} for e in (events, others))
    if done != other_done:
        return "metrics differ"
    known = {e["step"]: e["loss"] for e in events if e["event"] == "step"}
    if any(known[e["step"]] != e["loss"] for e in others if e["event"] == "step"):
        return "losses differ"
    return "same"


@pytest.mark.parametrize(
    ("variant", "step"),  # gone on from: the start; 4, in epoch 0; 8, in epoch 1; 16, in epoch 2
    [("triplet", 3), ("triplet", 6), ("triplet", 18), *((v, 11) for v in VARIANTS)],
)
def test_a_killed_run_ends_as_an_undisturbed_one(encoder, tmp_path, variant, step, undisturbed):
    changes = DURABLE | VARIANTS[variant]
    document = jobs.document(
        tmp_path / "killed", encoder, "embedding", TRAIN[:45], HELD_OUT[:8], **changes
    )
    code, events = attempt(document, kill=("step", step))
    assert code == -9
    kept = [e["path"] for e in events if e["event"] == "checkpoint"]
    assert len(kept) == (step - 1) // 4
    # Another place and an empty disk.
    elsewhere = tmp_path / "elsewhere"
    document = jobs.document(elsewhere, encoder, "embedding", TRAIN[:45], HELD_OUT[:8], **changes)
    if kept:
        shutil.copytree(tmp_path / "killed/work" / kept[-1], elsewhere / "carried")
        document["resume"] = str(elsewhere / "carried")
    assert same(*undisturbed(variant), elsewhere / "work", ended(document)) == "same"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, encoder):
    done = {}

    def run(variant):
        if variant not in done:
            folder = tmp_path_factory.mktemp("undisturbed")
            changes = DURABLE | VARIANTS[variant]
            document = jobs.document(
                folder, encoder, "embedding", TRAIN[:45], HELD_OUT[:8], **changes
            )
            done[variant] = folder / "work", ended(document)
        return done[variant]

    return run


@pytest.mark.parametrize("lost", ["forget_optimizer", "forget_random", "forget_position"])
def test_what_a_checkpoint_holds_is_needed(encoder, tmp_path, undisturbed, lost):
    document = jobs.document(tmp_path, encoder, "embedding", TRAIN[:45], HELD_OUT[:8], **DURABLE)
    work, events = undisturbed("triplet")
    document["resume"] = str(work / "checkpoints/00000008")
    code, others = attempt(document, patch=lost)
    assert code == 0
    assert same(work, events, tmp_path / "work", others) != "same"
