"""VideoPrism: a clip in, its tokens out; or one vector for a clip or a text (LvT)."""

import string

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import AutoTokenizer, VideoPrismClipModel, VideoPrismVisionModel

from .encoder import Encoder, Refused, whole


def load(model: str, path, config: dict, pool: int) -> Encoder:
    """Load the video encoder, or the video-text model that `videoprism` names."""
    vision = "VideoPrismVisionModel" in (config.get("architectures") or [])
    if vision or config["model_type"] == "videoprism_vision_model":
        return Tokens(whole(VideoPrismVisionModel, path, model), pool)
    if pool != 1:
        raise Refused(f"{model} yields one vector a clip: leave --pool-frames out")
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    return Clip(whole(VideoPrismClipModel, path, model), tokenizer)


def spread(stills: int, frames: int) -> list[int]:
    """Which still stands for each frame: the middles of equal shares, repeated if few."""
    return [(2 * i + 1) * stills // (2 * frames) for i in range(frames)]


def canonical(text: str) -> str:
    """A text as the LvT models were trained: lower case, no punctuation, a period last.

    Google's videoprism/utils.py does so before it tokenises; transformers does not.
    """
    blanks = str.maketrans(string.punctuation, " " * len(string.punctuation))
    return " ".join(text.translate(blanks).lower().split()) + "."


class Tokens(Encoder):
    """The tokens of a clip, frame by frame; `pool` neighbouring frames may share theirs.

    All tokens are frames * patches rows: 16 * 256 for the base model.
    """

    no_text = (
        "this model embeds clips only, it has no text tower; "
        "for text queries serve a video-text model (videoprism lvt)"
    )

    def __init__(self, network, pool: int = 1):
        super().__init__(network, None)
        self._configure(network.config)
        if pool < 1 or self.frames % pool:
            raise Refused(f"--pool-frames {pool} must divide the model's {self.frames} frames")
        self.pool = pool

    def _configure(self, config) -> None:
        size = config.image_size
        self.height, self.width = (size, size) if isinstance(size, int) else size
        self.frames, self.dim = config.num_frames, config.hidden_size

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Squeeze a still to the model's size, as the checkpoints' video processor does."""
        return np.asarray(picture.resize((self.width, self.height), Image.Resampling.BICUBIC))

    def pixels(self, clip: np.ndarray) -> torch.Tensor:
        """A clip of bytes (T, H, W, 3) as a batch of one, (1, T, 3, H, W) in [0, 1]."""
        frames = torch.from_numpy(clip).to(self.device).permute(0, 3, 1, 2).unsqueeze(0)
        return (frames.float() / 255).to(next(self.network.parameters()).dtype)

    def __call__(self, kind: str, items: list) -> list:
        with torch.inference_mode():  # a clip is a batch of frames already
            return [self._unit(self.embed(self.pixels(clip))) for clip in items]

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """The rows of one clip."""
        rows = self.network(pixel_values_videos=pixels).last_hidden_state[0].float()
        if self.pool == 1:
            return rows
        groups = rows.view(self.frames // self.pool, self.pool, -1, self.dim)
        return groups.mean(1).reshape(-1, self.dim)

    @staticmethod
    def _unit(rows: torch.Tensor) -> np.ndarray:
        return nn.functional.normalize(rows.float(), dim=-1).cpu().numpy()


class Clip(Tokens):
    """One vector for a clip or a text, comparable by cosine."""

    kind, no_text = "single", ""

    def __init__(self, network, tokenizer):
        super().__init__(network)
        self._tokenizer = tokenizer
        self.max_tokens = network.config.text_config.max_position_embeddings

    def _configure(self, config) -> None:
        super()._configure(config.vision_config)

    @property
    def tokenizer(self):
        """What counts the tokens of a text."""
        return self._tokenizer

    def tokens(self, text: str, kind: str = "query") -> int:
        """How many tokens a text has; its kind makes no difference."""
        return super().tokens(canonical(text), kind)

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """The row of one clip."""
        features = self.network.get_video_features(pixel_values_videos=pixels)
        return features.pooler_output.reshape(1, self.dim)  # the pooling query is an axis too

    def __call__(self, kind: str, items: list) -> list:
        if kind == "clip":
            return super().__call__(kind, items)
        batch = self.tokenizer(
            [canonical(t) for t in items],
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
        )
        inputs = self.inputs(batch, ("input_ids", "attention_mask"))
        with torch.inference_mode():
            rows = self.network.get_text_features(**inputs).pooler_output
        return list(self._unit(rows)[:, None])
