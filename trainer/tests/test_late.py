"""Late-interaction training, and its results in the programs that serve them."""

import hashlib
import itertools
import json
import shutil
import sys
from pathlib import Path

import jobs
import pytest
import tiny_late
import torch
import torch.nn.functional as F
from PIL import Image
from process import attempt
from safetensors.torch import load_file

from trainer import merge
from trainer.fault import Input

sys.path.insert(0, str(Path(__file__).parents[2] / "embedder/src"))

from embedder import models as served

LORA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LEARN = {
    "loss": "late_interaction",
    "epochs": 4,
    "batch_size": 8,
    "micro_batch": 8,
    "learning_rate": 1e-2,
    "max_seq_length": 32,
    "target_modules": [*LORA, "custom_text_proj"],
    "dropout": 0.0,
}
SHORT = LEARN | {"epochs": 1}


@pytest.fixture(scope="module", params=["idefics3", "colqwen2"])
def base(request, tmp_path_factory):
    return tiny_late.make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


@pytest.fixture
def run(base, images, tmp_path, train):
    """Runs a job and returns its folder of work and its events."""
    number = itertools.count()

    def go(rows, held_out=(), base=base, **changes):
        folder = tmp_path / str(next(number))
        document = jobs.document(folder, base, "embedding", rows, held_out, **changes)
        document["images"] = str(images)
        return folder / "work", train(document)

    return go


def lines(work, name):
    return [json.loads(line) for line in (work / f"evals/{name}.jsonl").read_text().splitlines()]


def picture(images, value):
    return Image.open(images / value["image"]).convert("RGB")


def ranking(queries, pages):
    """Each query's loss among all pages: the mean over its tokens of the nearest vector of a
    page, times 50, in a softmax."""
    scores = torch.stack([torch.stack([(q @ p.T).amax(1).mean() for p in pages]) for q in queries])
    return F.cross_entropy(50 * scores, torch.arange(len(queries)), reduction="none")


def losses_of(encoder, images, rows):
    """The losses of rows by the vectors that the embedder serves."""
    queries = [torch.tensor(encoder("query", [r["anchor"]])[0]) for r in rows]
    pages = [torch.tensor(encoder("picture", [picture(images, r["positive"])])[0]) for r in rows]
    return ranking(queries, pages)


@pytest.fixture(scope="module")
def rows(images):
    return tiny_late.rows(images, 64, 1), tiny_late.rows(images, 12, 2)


def test_learns_and_is_served(run, base, images, rows, random_model):
    work, events = run(*rows, **LEARN, merge=True)
    before, after = jobs.evaluations(events)["base"], jobs.evaluations(events)["best"]
    assert after["loss"] < before["loss"] - 0.5
    assert after["ndcg"] > before["ndcg"] + 0.15
    best = lines(work, "best")
    assert set(best[0]) == {"row", "loss", "ndcg", "mrr", "other_ndcg"}
    # The base, its adapter and the merged model are served with the vectors that were scored.
    output = work / "output"
    adapter = served.load(str(output / "best"), "1", base=str(base))
    merged = served.load(str(output / "merged"), "1", merged=True)
    # A published adapter is merged the same way, to be trained further.
    merge.merge(base, output / "best", work / "again")
    again = load_file(work / "again/model.safetensors")
    for name, weight in load_file(output / "merged/model.safetensors").items():
        torch.testing.assert_close(again[name], weight)
    for name in ("processor_config.json", "tokenizer.json"):
        for folder in ("again", "output/merged"):
            assert (work / folder / name).read_bytes() == (base / name).read_bytes()
    with pytest.raises(ValueError, match="is not one of ColIdefics3"):
        merge.merge(random_model, output / "best", work / "again")
    plain = served.load(str(base), "1", merged=True)
    for encoder, name in ((plain, "base"), (adapter, "best"), (merged, "best")):
        want = torch.tensor([r["loss"] for r in lines(work, name)])
        got = losses_of(encoder, images, rows[1])
        torch.testing.assert_close(got, want, atol=2e-3, rtol=1e-3)
    # What reads pictures is as it was; the language model and the projection are not.
    names = load_file(output / "best/adapter_model.safetensors")
    assert not any("vision" in n or "visual" in n or "connector" in n for n in names)
    assert any("q_proj" in n for n in names) and any("gate_proj" in n for n in names)
    assert any(".linear." in n or ".embedding_proj_layer." in n for n in names)
    config = json.loads((output / "best/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "test/tiny"
    assert config["task_type"] == "FEATURE_EXTRACTION"


def test_colqwen2_in_the_libraries(base, images, rows, run):
    """transformers with PEFT, and sentence-transformers, have the vectors that were scored."""
    if "colqwen2" not in base.name:
        return
    from peft import PeftModel
    from sentence_transformers import MultiVectorEncoder
    from transformers import ColQwen2ForRetrieval, ColQwen2Processor

    work, _ = run(rows[0][:16], rows[1], **SHORT)
    want = torch.tensor([r["loss"] for r in lines(work, "best")])
    texts = [r["anchor"] for r in rows[1]]
    pages = [picture(images, r["positive"]) for r in rows[1]]

    network = ColQwen2ForRetrieval.from_pretrained(base)
    network = PeftModel.from_pretrained(network, work / "output/best").eval()
    processor = ColQwen2Processor.from_pretrained(base)
    with torch.no_grad():
        one = [network(**processor.process_queries(text=[t])).embeddings[0] for t in texts]
        two = [network(**processor.process_images(images=[p])).embeddings[0] for p in pages]
    torch.testing.assert_close(ranking(one, two), want, atol=2e-3, rtol=1e-3)

    whole = MultiVectorEncoder(str(base), device="cpu")
    whole.load_adapter(str(work / "output/best"))
    got = ranking(whole.encode_query(texts), whole.encode_document(pages))
    torch.testing.assert_close(got, want, atol=2e-3, rtol=1e-3)


def test_continues_an_adapter(run, images, rows):
    work, first = run(rows[0][:16], rows[1], **SHORT)
    path = work / "output/last/adapter_model.safetensors"
    start = {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    _, second = run(rows[0][:16], rows[1], **SHORT, start=start)
    before = jobs.evaluations(first)["current"]["loss"]  # of the last step
    assert jobs.evaluations(second)["base"]["loss"] == pytest.approx(before, abs=1e-4)
    assert jobs.losses(second)[0] != jobs.losses(first)[0]


def test_colpali_is_served(run, images, rows, tmp_path):
    model = tiny_late.make("colpali", tmp_path / "colpali")
    work, events = run(rows[0][:16], rows[1], base=model, **SHORT)
    (data,) = (e["data"] for e in events if e["event"] == "data")
    assert [e["tokens"] for e in events if e["event"] == "step"][-1] == data["tokens"]
    names = load_file(work / "output/best/adapter_model.safetensors")
    assert not any("vision_tower" in n or "multi_modal" in n for n in names)
    encoder = served.load(str(work / "output/best"), "1", base=str(model))
    want = torch.tensor([r["loss"] for r in lines(work, "best")])
    torch.testing.assert_close(losses_of(encoder, images, rows[1]), want, atol=2e-3, rtol=1e-3)


def test_the_loss_is_colpali_engines(run, base, images, rows):
    """ColbertLoss: the mean over the tokens of a query, at temperature 0.02."""
    _, events = run(rows[0][:8], [], **SHORT)
    encoder = served.load(str(base), "1", merged=True)
    want = losses_of(encoder, images, rows[0][:8]).mean().item()
    assert jobs.losses(events)[0] == pytest.approx(want, abs=2e-3)


@pytest.mark.parametrize("negatives", [False, True])
def test_a_smaller_micro_batch_trains_the_same(run, images, negatives):
    """A query keeps all its negatives, also in the short last batch."""
    rows, ends = tiny_late.rows(images, 12, 5, negatives), []
    for part in (8, 2):
        shape = SHORT | {"epochs": 2, "micro_batch": part, "accumulation": 8 // part}
        _, events = run(rows, rows[:3], **shape | {"learning_rate": 1e-3})
        ends.append(jobs.losses(events))
        assert ("accuracy" in jobs.evaluations(events)["best"]) is negatives
    assert len(ends[0]) == 4
    assert ends[1] == pytest.approx(ends[0], rel=1e-3)


def test_all_weights_learn_and_are_published(run, base, images, rows):
    work, events = run(rows[0][:16], rows[1], **SHORT | {"lora": None, "learning_rate": 1e-3})
    assert jobs.evaluations(events)["best"]["loss"] != jobs.evaluations(events)["base"]["loss"]
    encoder = served.load(str(work / "output/best"), "1", merged=True)
    want = torch.tensor([r["loss"] for r in lines(work, "best")])
    torch.testing.assert_close(losses_of(encoder, images, rows[1]), want, atol=2e-3, rtol=1e-3)


def test_killed_run_ends_as_the_undisturbed_one(base, images, rows, tmp_path):
    shape = SHORT | {"epochs": 2, "save_steps": 1, "dropout": 0.1, "micro_batch": 4}

    def document(folder):
        d = jobs.document(folder, base, "embedding", rows[0][:20], rows[1][:4], **shape)
        return d | {"images": str(images), "accumulation": 2}

    code, whole = attempt(document(tmp_path / "whole"))
    assert code == 0, (tmp_path / "whole" / "work/stderr.txt").read_text()
    code, _ = attempt(document(tmp_path / "first"), kill=("step", 4))
    assert code == -9
    shutil.copytree(tmp_path / "first" / "work/checkpoints/00000003", tmp_path / "carried/00000003")
    second = document(tmp_path / "second") | {"resume": str(tmp_path / "carried/00000003")}
    code, events = attempt(second, patch="on_another_day")
    assert code == 0, (tmp_path / "second" / "work/stderr.txt").read_text()
    assert jobs.losses(events) == jobs.losses(whole)[3:]
    for name in ("output/best", "output/last", "evals", "checkpoints/00000006"):
        for path in (tmp_path / "whole/work" / name).rglob("*.*"):
            twin = tmp_path / "second/work" / path.relative_to(tmp_path / "whole/work")
            if path.name not in ("manifest.json", "trainer_state.json"):
                assert path.read_bytes() == twin.read_bytes(), path


def test_counts_are_those_of_training(run, images, rows):
    """Texts are cut, pictures never are."""
    long = {**rows[0][0], "anchor": "a long query " * 9}
    shape = SHORT | {"epochs": 1}
    _, measured = run([long, *rows[0][1:16]], rows[1], **shape, measure=True)
    _, events = run([long, *rows[0][1:16]], rows[1], **shape)
    (want,) = (e["data"] for e in events if e["event"] == "data")
    (got,) = (e["data"] for e in measured if e["event"] == "data")
    assert {**want, "steps_per_epoch": 0} == got
    assert (want["rows"], want["eval_rows"], want["truncated"], want["dropped"]) == (16, 12, 1, 0)
    assert [e["tokens"] for e in events if e["event"] == "step"][-1] == want["tokens"]


def test_pictures_that_occur_often_are_kept_apart(run, rows):
    often = [r | {"positive": rows[0][0]["positive"]} for r in rows[0][:8]]
    _, events = run([*often, *rows[0][8:16]], [], **SHORT | {"batch_size": 4, "micro_batch": 4})
    (data,) = (e["data"] for e in events if e["event"] == "data")
    assert data["dropped"] == 4  # the 8 share 4 batches with the others


def test_findings_of_texts(run, rows):
    first = rows[0][0] | {"anchor": "<|im_start|>red"}
    _, events = run([first, *rows[0][1:16]], [], **SHORT, measure=True)
    (found,) = (e["findings"] for e in events if e["event"] == "findings")
    assert [(f["code"], f["rows"]) for f in found] == [("special_token", [1])]


def test_refuses(run, rows, base, tmp_path_factory, random_model):
    with pytest.raises(Input, match=r'late-interaction model.*set loss to "late_interaction"'):
        run(rows[0][:8], [], **SHORT | {"loss": "mnr"})
    with pytest.raises(Input, match=r"needs a late-interaction model.*ColIdefics3"):
        run(rows[0][:8], [], base=random_model, **SHORT)
    mixed = [*rows[0][:8], rows[0][8] | {"positive": "a text"}]
    with pytest.raises(Input, match="positive is a text in row 9 and an image in row 1"):
        run(mixed, [], **SHORT)
    with pytest.raises(Input, match="leaves no room for a text"):
        run(rows[0][:8], [], **SHORT | {"max_seq_length": 10})
    with pytest.raises(Input, match="has no linear layer 'query'"):
        run(rows[0][:8], [], **SHORT | {"target_modules": ["query"]})
