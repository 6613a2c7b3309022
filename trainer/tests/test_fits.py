"""A plan refuses what training would refuse, with the same sentence, and nothing that trains."""

import json
import resource
import shutil

import jobs as make
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from trainer import tiny
from trainer.fault import Input

SIZES = {
    "bert": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128},
    "gpt_neox": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 32,
    },
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "roformer": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
}


def become(kind, name):
    """The tokenizer of the Llama with a model of another architecture."""

    def change(folder):
        config = transformers.AutoConfig.for_model(kind, vocab_size=512, **SIZES[kind])
        for key in ("bos_token_id", "eos_token_id"):
            setattr(config, key, None)
        getattr(transformers, name)(config).save_pretrained(folder)

    return change


def config(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def tensors(edit):
    def change(folder):
        path = folder / "model.safetensors"
        found = load_file(path)
        edit(found)
        save_file(found, path, metadata={"format": "pt"})

    return change


def tokenizer(edit):
    def change(folder):
        t = AutoTokenizer.from_pretrained(folder)
        edit(t)
        t.save_pretrained(folder)

    return change


def no_end(t):
    t.eos_token = None


def unmarked(t):
    t.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"


def added(t):
    t.chat_template = t.chat_template.replace("<|im_end|>", "<|far|>")
    t.add_tokens(["<|far|>"], special_tokens=True)


def pickled(folder):
    (folder / "pytorch_model.bin").write_bytes(b"")


UP = "model.layers.0.mlp.up_proj.weight"
# What is done to a Llama, the changes of the job, and what both say.
REFUSED = {
    "own code": (config(auto_map={"AutoModel": "x.Y"}), {}, "asks to run code of its own"),
    "pickled": (pickled, {}, "may hold pickled code"),
    "unknown type": (config(model_type="llamma"), {}, "knows no model of type 'llamma'"),
    "encoder-decoder": (become("t5", "T5ForConditionalGeneration"), {}, "does not continue a text"),
    "no attention": (become("mamba", "MambaForCausalLM"), {}, "not one that can be trained here"),
    "old attention": (become("roformer", "RoFormerForCausalLM"), {}, "not one that can be trained"),
    "encoder": (become("bert", "BertModel"), {}, "lack the weights cls.predictions"),
    "masked model": (become("bert", "BertForMaskedLM"), {}, "is an encoder"),
    "no head": (tensors(lambda t: t.pop("lm_head.weight")), {}, "lack the weights lm_head.weight"),
    "lost weight": (tensors(lambda t: t.pop(UP)), {}, f"lack the weights {UP}"),
    "more layers": (config(num_hidden_layers=3), {}, "lack the weights model.layers.2."),
    "other size": (
        tensors(lambda t: t.update({UP: torch.zeros(8, 32)})),
        *({}, rf"hold {UP} in the size \(8, 32\), and its config.json asks for \(96, 32\)"),
    ),
    "cut file": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:9000]
        ),
        *({}, "does not load: SafetensorError"),
    ),
    "too long": (None, {"max_seq_length": 5000}, "is more than the 4096 tokens"),
    "no end token": (tokenizer(no_end), {}, "no end token"),
    "unmarked": (tokenizer(unmarked), {"assistant_only_loss": True}, "does not mark"),
    "no embedding": (tokenizer(added), {}, r"writes token 512 \('<\|far\|>'\).* have 512 rows"),
    "output layer": (None, {"target_modules": ["lm_head"]}, "lm_head is the output layer"),
    "no linear layer": (
        None,
        {"target_modules": ["embed_tokens"]},
        "no linear layer 'embed_tokens'",
    ),
    "absent": (None, {"target_modules": ["q_proj", "query"]}, "no linear layer 'query'"),
    "packing": (
        *(become("opt", "OPTForCausalLM"), {"packing": True, "max_seq_length": 32}),
        "does not keep samples of one sequence apart",
    ),
}
TRAINS = {
    "llama": (None, {}),
    "llama, packed": (None, {"packing": True}),
    "all weights": (None, {"lora": None}),
    "everything": (None, {"target_modules": ["all-linear"]}),
    "one layer": (None, {"target_modules": ["model.layers.0.self_attn.q_proj"]}),
    "gpt2": (become("gpt2", "GPT2LMHeadModel"), {"target_modules": ["c_attn"]}),
    "gpt2, everything": (become("gpt2", "GPT2LMHeadModel"), {"target_modules": ["all-linear"]}),
    "pythia": (become("gpt_neox", "GPTNeoXForCausalLM"), {"target_modules": ["query_key_value"]}),
    "opt": (become("opt", "OPTForCausalLM"), {}),
    "larger tokenizer": (tokenizer(lambda t: t.add_tokens(["<|never|>"])), {}),
}


def started(train, document):
    """What a plan says, and what a start says."""
    said = []
    for measure in (True, False):
        try:
            train({**document, "measure": measure})
            said.append("")
        except Input as e:
            said.append(str(e))
    return said


def base(folder, source, change):
    model = shutil.copytree(source, folder / "model")
    if change:
        change(model)
    return model


@pytest.mark.parametrize("case", REFUSED)
def test_refused_alike(tmp_path, random_model, train, case):
    change, settings, want = REFUSED[case]
    model = base(tmp_path, random_model, change)
    planned, trained = started(
        train, make.document(tmp_path, model, "sft", make.chats(4), **settings)
    )
    assert planned == trained != ""
    with pytest.raises(Input, match=want):
        raise Input(planned)


@pytest.mark.parametrize("case", TRAINS)
def test_what_trains_is_planned(tmp_path, random_model, train, case):
    change, settings = TRAINS[case]
    model = base(tmp_path, random_model, change)
    document = make.document(tmp_path, model, "sft", make.chats(4), **settings)
    assert started(train, document) == ["", ""]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return tiny.make("encoder", tmp_path_factory.mktemp("encoder") / "model", hidden=32)


TRIPLETS = [{"anchor": f"red {i}", "positive": f"green {i}", "negative": "blue"} for i in range(4)]
PAIRS = [{"anchor": f"red {i}", "positive": f"green {i}"} for i in range(4)]
ENCODERS = {
    "trains": (None, TRIPLETS, {"target_modules": ["query"]}, ""),
    "everything": (None, TRIPLETS, {"target_modules": ["all-linear"]}, ""),
    "other name": (None, TRIPLETS, {"target_modules": ["q_proj"]}, ""),
    "absent": (None, TRIPLETS, {"target_modules": ["gate_proj"]}, "no linear layer 'gate_proj'"),
    "unknown type": (config(model_type="birt"), TRIPLETS, {}, "knows no model of type 'birt'"),
    "more layers": (config(num_hidden_layers=3), TRIPLETS, {}, "lack the weights encoder.layer.2"),
    "other size": (config(intermediate_size=8), TRIPLETS, {}, "not those of its config.json"),
    "no negatives": (None, PAIRS, {"target_modules": ["query"]}, "needs rows with a negative"),
    "margin": (None, TRIPLETS, {"triplet_margin": 2.5}, "not below 2"),
    "no embedding": (
        tokenizer(lambda t: t.add_tokens(["blue"])),
        *(TRIPLETS, {"target_modules": ["query"]}, r"writes token 512 \('blue'\)"),
    ),
}


@pytest.mark.parametrize("case", ENCODERS)
def test_encoders(tmp_path, encoder, train, case):
    change, rows, settings, want = ENCODERS[case]
    model = base(tmp_path, encoder, change)
    planned, trained = started(train, make.document(tmp_path, model, "embedding", rows, **settings))
    assert planned == trained
    assert want in planned if r"\(" not in want else "writes token 512 ('blue')" in planned
    assert bool(planned) == bool(want)


def test_pairs(tmp_path, random_model, train):
    """DPO asks what SFT asks, and takes no packing."""
    for settings, want in (
        ({"packing": True}, "not packed"),
        ({"target_modules": ["lm_head"]}, "output"),
    ):
        document = make.document(tmp_path, random_model, "dpo", make.pairs(4), **settings)
        planned, trained = started(train, document)
        assert planned == trained
        assert want in planned


def rare(t):
    t.add_tokens(["<|rare|>"])


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_held_out_rows_count(tmp_path, random_model, train, method):
    """A token without an embedding would end the first evaluation."""
    model = base(tmp_path, random_model, tokenizer(rare))
    rows, held = (
        (make.chats(4), make.chats(2)) if method == "sft" else (make.pairs(4), make.pairs(2))
    )
    if method == "sft":
        held[1]["messages"][1]["content"] = "<|rare|>"
    else:
        held[1]["rejected"] = "<|rare|>"
    planned, trained = started(train, make.document(tmp_path, model, method, rows, held))
    assert planned == trained
    assert "writes token 512 ('<|rare|>')" in planned


def test_a_plan_reads_no_weights(tmp_path, random_model, train):
    """The machine that plans may lack the memory for them: these are 16 GB, and not on the disk."""
    model = base(tmp_path, random_model, None)
    layers, hidden = 8, 16384
    sizes = {"hidden_size": hidden, "intermediate_size": hidden, "num_hidden_layers": layers}
    heads = {"num_attention_heads": 128, "num_key_value_heads": 2, "head_dim": 128}
    config(**sizes, **heads, dtype="float16")(model)
    with torch.device("meta"):
        whole = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.from_pretrained(model)
        ).state_dict()
    at, header = 0, {"__metadata__": {"format": "pt"}}
    for name, t in whole.items():
        size = 2 * t.numel()
        header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(model / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    assert at > 16e9
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train(make.document(tmp_path, model, "sft", make.chats(4), measure=True))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
