"""Cogniverse's own servers, with tiny models of random weights: ColPali on a CPU, X-CLIP and CLAP.

python sidecars.py FOLDER --port PORT serves a ColIdefics3 of a folder, as the embedder has it.
"""

import argparse
import base64
import io
import subprocess

import numpy as np
import torch
import uvicorn
from embedder import models
from embedder.body import json_object
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, XCLIPConfig, XCLIPModel

FRAMES, SIDE, RATE = 4, 32, 48000
TEXT = {"vocab_size": 258, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
SEEN = {"image_size": SIDE, "patch_size": 16, "num_frames": FRAMES, "num_hidden_layers": 1}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
MIT = {"mit_hidden_size": 32, "mit_intermediate_size": 64, "mit_num_attention_heads": 2}


def xclip() -> XCLIPModel:
    text = {**TEXT, "num_attention_heads": 2, "eos_token_id": 257}
    seen = {**SEEN, **SHAPE, **MIT, "mit_num_hidden_layers": 1}
    torch.manual_seed(1)
    config = XCLIPConfig(
        text_config=text, vision_config=seen, projection_dim=32, prompt_num_attention_heads=2
    )
    return XCLIPModel(config).eval()


def clap() -> ClapModel:
    heard = {
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "depths": [1, 1],
        "projection_dim": 32,
    }
    heard |= {
        "num_attention_heads": [2, 2],
        "enable_fusion": False,
        "num_hidden_layers": 2,
        "num_mel_bins": 64,
    }
    text = {**TEXT, "num_attention_heads": 2, "projection_dim": 32}
    torch.manual_seed(1)
    config = ClapConfig(text_config=text, audio_config=heard, projection_dim=32)
    return ClapModel(config).eval()


def decoded(data: str, *to: str) -> bytes:
    """What ffmpeg makes of a file."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", *to, "pipe:1"]
    done = subprocess.run(command, input=base64.b64decode(data), capture_output=True, check=True)
    return done.stdout


def answer(features) -> JSONResponse:
    rows = getattr(features, "pooler_output", features)
    return JSONResponse({"vec": torch.nn.functional.normalize(rows[0], dim=-1).tolist()})


def create(folder: str, name: str) -> Starlette:
    """The application of the three servers."""
    colpali, moving, sound = models.load(folder, "1", merged=True), xclip(), clap()
    mel = ClapFeatureExtractor(feature_size=64, truncation="rand_trunc")

    async def images(request):
        body = await json_object(request)
        stills = [Image.open(io.BytesIO(base64.b64decode(i))) for i in body["images"]]
        rows = colpali("picture", [s.convert("RGB") for s in stills])
        return JSONResponse({"embeddings": [r.tolist() for r in rows]})

    async def video(request):
        body = await json_object(request)
        size = f"fps=8,scale={SIDE}:{SIDE}"
        raw = decoded(body["video_b64"], "-vf", size, "-f", "rawvideo", "-pix_fmt", "rgb24")
        frames = np.frombuffer(raw, np.uint8).reshape(-1, SIDE, SIDE, 3)
        chosen = frames[np.linspace(0, len(frames) - 1, FRAMES).astype(int)]
        pixels = torch.tensor(chosen / 255.0, dtype=torch.float32).permute(0, 3, 1, 2)
        with torch.inference_mode():
            return answer(moving.get_video_features(pixels[None]))

    async def audio(request):
        body = await json_object(request)
        raw = decoded(body["audio_b64"], "-ac", "1", "-ar", str(RATE), "-f", "f32le")
        given = mel(np.frombuffer(raw, np.float32), sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            return answer(sound.get_audio_features(**given))

    async def text(request):
        body = await json_object(request)
        ids = torch.tensor([[*body["text"].encode()[:60], 257]])
        with torch.inference_mode():
            return answer(moving.get_text_features(ids))

    async def listed(_):
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"}]})

    async def health(_):
        return JSONResponse({"status": "ok"})

    embed = {"video": video, "audio": audio, "text": text}
    return Starlette(
        routes=[
            Route("/v1/embeddings", images, methods=["POST"]),
            *(Route(f"/embed/{k}", call, methods=["POST"]) for k, call in embed.items()),
            Route("/v1/models", listed),
            Route("/health", health),
        ]
    )


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--device", choices=["cpu"])
    p.add_argument("--host")
    p.add_argument("--port", type=int)
    a = p.parse_args()
    uvicorn.run(create(a.folder, "sidecars"), host=a.host, port=a.port)
