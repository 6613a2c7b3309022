"""Images of rows: what is read, and what is refused."""

import hashlib
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from trainer import job as jobs
from trainer import pictures
from trainer.fault import Input

SFT = json.loads((Path(__file__).parent.parent / "testdata/job-sft.json").read_text())


def encoded(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def read(folder, data, name=None):
    name = name or hashlib.sha256(data).hexdigest()
    (folder / name).write_bytes(data)
    return pictures.load(jobs.parse(json.dumps(SFT | {"images": str(folder)})), name)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_reads_in_rgb(tmp_path, kind):
    for mode in ("L", "RGB"):
        picture = read(tmp_path, encoded(Image.new(mode, (40, 30)), kind))
        assert picture.mode == "RGB" and picture.size == (40, 30)


def test_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert read(tmp_path, encoded(Image.new("RGB", (40, 30)), "JPEG", exif=exif)).size == (30, 40)


def test_refuses(tmp_path, monkeypatch):
    still = encoded(Image.new("RGB", (40, 30)), "PNG")
    frames = [Image.new("L", (8, 8), color) for color in (0, 255)]
    moving = [
        encoded(frames[0], k, save_all=True, append_images=frames[1:]) for k in ("GIF", "WEBP")
    ]
    for data, says in [
        (b"text", "cannot be decoded"),
        (still[:-30], "cannot be decoded"),
        (encoded(Image.new("RGB", (4, 4)), "BMP"), "cannot be decoded"),
        *((data, "has 2 frames; use a still image") for data in moving),
    ]:
        with pytest.raises(Input, match=says):
            read(tmp_path, data)
    with pytest.raises(Input, match="the file was changed"):
        read(tmp_path, still, "0" * 64)
    with pytest.raises(Input, match="must be named by its SHA-256"):
        pictures.load(jobs.parse(json.dumps(SFT | {"images": str(tmp_path)})), "../secret")
    with pytest.raises(Input, match="cannot read"):
        pictures.load(jobs.parse(json.dumps(SFT | {"images": str(tmp_path)})), "1" * 64)
    with pytest.raises(Input, match="no folder of images"):
        pictures.load(jobs.parse(json.dumps(SFT)), "1" * 64)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    with pytest.raises(Input, match="40 x 30 is more than 1000 pixels"):
        read(tmp_path, still)
