"""What the four Python programs share: extraction of the frames, and one call."""

import base64
import os
import subprocess
from pathlib import Path

# The environment reaches processes that a framework starts, too.
CLIPS, WORK = Path(os.environ["INGEST_CLIPS"]), Path(os.environ["INGEST_WORK"])
URL = os.environ["INGEST_URL"]
SLOTS = int(os.environ["INGEST_SLOTS"])  # what the endpoint serves at once


def extract() -> list[str]:
    """Write one JPEG for each second of each clip. A clip whose folder has its final name is done."""
    for clip in sorted(CLIPS.glob("*.mp4")):
        done = WORK / "frames" / clip.stem
        if done.exists():
            continue
        draft = done.with_suffix(".part")
        draft.mkdir(parents=True, exist_ok=True)
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-threads",
            "1",
            "-i",
            clip,
            "-vf",
            "fps=1",
        ]
        subprocess.run([*command, "-q:v", "2", draft / "%05d.jpg"], check=True)
        os.rename(draft, done)
    return sorted(str(p) for p in (WORK / "frames").glob("*/*.jpg"))


def body(path: str) -> dict:
    image = (
        "data:image/jpeg;base64," + base64.b64encode(Path(path).read_bytes()).decode()
    )
    picture = {"type": "image_url", "image_url": {"url": image}}
    text = {"type": "text", "text": "Describe this frame."}
    return {
        "model": "simulated",
        "messages": [{"role": "user", "content": [picture, text]}],
    }


def caption(response) -> str:
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]
