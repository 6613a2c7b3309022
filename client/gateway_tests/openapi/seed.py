"""Fill a gateway with what its routes can show, and write down a good request by operation."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import httpx
from stack import eventually

from cogflow_client import Client

ROWS = [
    {"messages": [{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": "yes"}]}
    for i in range(20)
]
SFT = {"epochs": 1, "batch_size": 4, "max_seq_length": 64, "min_rows": 10}
PROGRAM = {
    "name": "oracle",
    "predictors": [
        {
            "name": "answer",
            "module": "predict",
            "instructions": "Answer.",
            "inputs": [{"name": "question"}],
            "outputs": [{"name": "answer"}],
        }
    ],
}


def ok(response: httpx.Response) -> Any:
    """The document of an answer."""
    if not response.is_success:
        raise RuntimeError(f"{response.request.method} {response.url}: {response.text}")
    return response.json() if "json" in response.headers["Content-Type"] else response.content


def clip(path: Path) -> Path:
    """Two seconds of film with words in them."""
    words = (
        "drawtext=text='BLUE HARBOUR':fontsize=48:fontcolor=white:box=1:boxcolor=black:x=40:y=150"
    )
    source = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=10:d=2", "-vf", words]
    subprocess.run(["ffmpeg", "-v", "error", *source, str(path)], check=True)
    return path


def train(client: Client, **more: Any) -> Any:
    return client.start(
        "TrainSFT",
        {"base_model": "tiny/llama", "dataset": {"rows": ROWS}, "sft_config": SFT, **more},
    )


def optimize(client: Client, name: str, seed: int) -> Any:
    rows = [{"question": f"{i}?", "answer": "yes"} for i in range(12 + seed)]
    return client.start(
        "OptimizePrompts",
        {
            "name": name,
            "program": PROGRAM,
            "trainset": rows,
            "metric": {"kind": "exact", "field": "answer"},
            "auto": "light",
            "seed": seed,
        },
    )


def upload(http: httpx.Client, content: bytes, send: int = 0) -> str:
    """Begin an upload, and send a part of it; the result is its id."""
    declared = {
        "name": "part.bin",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    begun = http.post("/uploads", json=declared)
    ok(begun)
    at = begun.headers["Location"]
    if send:
        head = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        ok(http.patch(at, content=content[:send], headers=head))
    return str(at.rsplit("/", 1)[1])


def seed(url: str, key: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Fill the tenant of a key.

    The result has, by operation, the parameters and the body of a request that succeeds.
    """
    head = {"Authorization": f"Bearer {key}"}
    with Client(url, key) as client, httpx.Client(base_url=url, headers=head, timeout=120) as http:
        film = clip(folder / "film.mp4")
        video = client.ingest_video(uri=str(film))
        trained = train(client, name="support")
        waiting = {name: train(client, name=name, gpu=["h100"]).id for name in WAITING}
        runs = (("oracle", 1), ("oracle", 2), ("sibyl", 3), ("sibyl", 4))
        tried = [optimize(client, name, seed) for name, seed in runs]
        video.result()
        sha = str(ok(http.get("/videos"))["videos"][0]["video"])
        for job in (trained, *tried):
            job.result()
        client.job(waiting["resume"]).pause()
        ok(http.post("/adapters/support/1/activate", json={"force": True}))
        ok(http.post("/programs/sibyl/1/promote", json={"force": True}))
        for version in (1, 2):
            ok(http.post(f"/programs/oracle/{version}/promote", json={"force": True}))
        found = ok(http.get("/videos/" + sha))
        listed = eventually("the job in the list", lambda: http.get("/jobs").json()["jobs"] or None)
        assert listed
        return requests(http, sha, found, trained.id, video.id, waiting, film)


WAITING = ("cancel", "pause", "resume", "stop", "tune")


def requests(
    http: httpx.Client,
    sha: str,
    found: dict[str, Any],
    trained: str,
    ingested: str,
    waiting: dict[str, str],
    film: Path,
) -> dict[str, dict[str, Any]]:
    picture = ok(http.get(f"/videos/{sha}/poster.jpg"))
    encoded = base64.b64encode(picture).decode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.jpg", picture)
    user = [{"role": "user", "content": "hi"}]
    adapter = {"name": "support", "version": "1"}
    program = {"name": "oracle", "version": "1"}
    one = {"body": {"frame_base64": encoded, "model": "chat"}}
    many = {
        "body": {
            "zip_data": base64.b64encode(packed.getvalue()).decode(),
            "frame_mapping": {"a.jpg": "0"},
            "model": "chat",
        }
    }
    files = ok(http.get("/adapters/support/1"))
    batch = ok(http.post("/upload_and_process_frames", json=many["body"]))
    piece = b"0123456789"
    folder = {"video_dir": str(film.parent)}
    folder_job = ok(http.post("/ingestion/start", json=folder))["job_id"]
    return {
        "pageFile": {"file": "app.js"},
        "getAdapter": adapter,
        "activateAdapter": {**adapter, "body": {"force": True}},
        "getAdapterFile": {**adapter, "file": files["files"][0]["name"]},
        "deactivateAdapter": {"role": "support"},
        "rollbackAdapter": {"role": "support"},
        "getProgram": program,
        "diffPrograms": {**program, "with": "2"},
        "promoteProgram": {**program, "body": {"force": True}},
        "canaryProgram": {"name": "sibyl", "version": "2", "body": {"share": 10, "force": True}},
        "rollbackProgram": {"name": "oracle"},
        "listCosts": {"by": "model"},
        "setBudget": {"body": {"usd": 50, "model": "other"}},
        "clearBudget": {"model": "other", "period": "month"},
        "getJob": {"id": trained},
        "watchJob": {"id": trained},
        "getJobReport": {"id": trained},
        "getJobResult": {"id": trained},
        "getIngestion": {"id": ingested},
        "watchIngestion": {"id": ingested},
        "ingestFolder": {"body": folder},
        "getIngestedFolder": {"id": folder_job},
        **{name + "Job": {"id": of} for name, of in waiting.items()},
        "tuneJob": {"id": waiting["tune"], "body": {"budget_usd": 20}},
        "startJob": {"type": "ingest", "body": {"source": str(film.parent)}},
        "uploadAndIngest": {"body": {"file": "not a film"}},
        "listVideos": {"limit": "5"},
        "getVideo": {"video": sha},
        "getContent": {"video": sha},
        "getPoster": {"video": sha},
        "getFrame": {"video": sha, "frame": f"{found['sheet'][0]['pts_ms']}.jpg"},
        "searchVideos": {"q": "harbour"},
        "storeExample": {"body": {"base64": encoded}},
        **{verb + "ModelServer": {"name": "sleeper"} for verb in ("show", "warm", "release")},
        "beginUpload": {
            "body": {"name": "a.bin", "size": 1, "sha256": hashlib.sha256(b"a").hexdigest()}
        },
        "getUpload": {"id": upload(http, b"looked at", 3)},
        "dropUpload": {"id": upload(http, b"dropped")},
        "storePiece": {
            "id": upload(http, piece + b"P", 1),
            "Upload-Offset": "1",
            "body": (piece + b"P")[1:].decode(),
        },
        "putPiece": {
            "id": upload(http, piece + b"Q"),
            "Upload-Offset": "0",
            "body": (piece + b"Q").decode(),
        },
        "chat": {"body": {"model": "chat", "messages": user}},
        "complete": {"body": {"model": "chat", "prompt": "hi"}},
        "tokenize": {"body": {"model": "chat", "messages": user}},
        "embed": {"body": {"model": "meaning", "input": "hi"}},
        "pool": {"body": {"model": "pooling", "input": "hi"}},
        "embedVideo": {"body": {"model": "pooling", "video_b64": encoded}},
        "embedPart": {
            "body": {"model": "pooling", "video": encoded, "start_time": 0, "end_time": 4}
        },
        "embedAudio": {"body": {"model": "pooling", "audio_b64": encoded}},
        "embedText": {"body": {"model": "pooling", "text": "hi"}},
        "transcribe": {"body": {"model": "speech", "file": "RIFF"}},
        "generate": {"body": {"prompt": "hi", "model": "chat"}},
        "guideChat": {"body": {"messages": user, "model": "chat"}},
        "generateDescription": one,
        "generateDescriptionHyphens": one,
        "uploadAndProcessFrames": many,
        "uploadAndProcessFramesHyphens": many,
        "getProcessedFrames": {"id": batch["upload_id"]},
    }
