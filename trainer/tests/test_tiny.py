import hashlib
import json

import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from trainer import tiny

CAUSAL = ["llama", "smollm3", "qwen3"]


def digests(folder):
    files = [f for f in folder.rglob("*") if f.is_file()]
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.mark.parametrize("kind", [*CAUSAL, "encoder"])
def test_equal_arguments_give_equal_files(kind, tmp_path):
    one = digests(tiny.make(kind, tmp_path / "one", train_steps=2))
    assert one == digests(tiny.make(kind, tmp_path / "two", train_steps=2))
    other = digests(tiny.make(kind, tmp_path / "other", train_steps=2, seed=1))
    assert one["model.safetensors"] != other["model.safetensors"]
    assert one["tokenizer.json"] == other["tokenizer.json"]


def test_making_leaves_the_random_state_alone(tmp_path):
    torch.manual_seed(7)
    want = torch.rand(1)
    torch.manual_seed(7)
    tiny.make("llama", tmp_path)
    assert torch.equal(torch.rand(1), want)


@pytest.mark.parametrize("kind", CAUSAL)
def test_causal_models_load_and_speak_their_template(kind, tmp_path):
    tiny.make(kind, tmp_path, hidden=32, layers=2)
    assert AutoConfig.from_pretrained(tmp_path).model_type == kind
    model = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    chat = [{"role": "user", "content": "Grüße 👋"}, {"role": "assistant", "content": "Yes."}]
    both = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    assert tokenizer.decode(both["input_ids"]).startswith("<|im_start|>user\nGrüße 👋<|im_end|>")
    said = [i for i, m in zip(both["input_ids"], both["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(said) == "Yes.<|im_end|>"
    assert model(torch.tensor([both["input_ids"]])).logits.shape[-1] == len(tokenizer)


def test_encoder_loads(tmp_path):
    tiny.make("encoder", tmp_path, hidden=32)
    model = SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True)
    assert model.encode(["one", "two words"]).shape == (2, 32)
    assert model.max_seq_length == tiny.LONGEST["encoder"]


def test_training_teaches_the_text(tmp_path):
    folder = tiny.make("llama", tmp_path / "trained", train_steps=60)
    ids = AutoTokenizer.from_pretrained(folder)(tiny.text()[0], return_tensors="pt")["input_ids"]
    losses = [
        AutoModelForCausalLM.from_pretrained(f)(ids, labels=ids).loss.item()
        for f in [tiny.make("llama", tmp_path / "random"), folder]
    ]
    assert losses[1] < losses[0] - 2


def test_command(tmp_path, capsys):
    tiny.main(["qwen3", str(tmp_path / "m"), "--hidden", "32", "--layers", "1", "--vocab", "300"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "m")
    assert AutoConfig.from_pretrained(tmp_path / "m").vocab_size == 300


def test_lines_that_chats_share_are_tokens(tmp_path):
    file = tmp_path / "chats.jsonl"
    asked = [f"Colour of lamp {i}?" for i in range(40)]
    chats = [
        [
            {"role": "system", "content": "You know all lamps.\nBe brief."},
            {"role": "user", "content": f"[[ ## q ## ]]\n{q}"},
            {"role": "assistant", "content": "red" if i % 2 else "blue"},
        ]
        for i, q in enumerate(asked)
    ]
    file.write_text("".join(json.dumps({"messages": c}) + "\n" for c in chats))
    folder = tiny.make("qwen3", tmp_path / "m", hidden=32, chats=file, train_steps=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for line in ["You know all lamps.\n", "Be brief.", "[[ ## q ## ]]\n", "red", "blue"]:
        assert len(tokenizer(line)["input_ids"]) == 1, line
    assert len(tokenizer(asked[0])["input_ids"]) > 1
    said = tokenizer.apply_chat_template(chats[0], tokenize=False)
    assert tokenizer.decode(tokenizer(said)["input_ids"]) == said
    again = tiny.make("qwen3", tmp_path / "again", hidden=32, chats=str(file), train_steps=2)
    assert digests(folder) == digests(again)
    with pytest.raises(ValueError, match="encoder"):
        tiny.make("encoder", tmp_path / "e", chats=file)
