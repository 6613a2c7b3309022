"""The images of rows. They lie in the folder job.images, named by their SHA-256."""

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps
from PIL.ExifTags import Base

from .fault import Input
from .job import Job

MAX_PIXELS = 1 << 26  # of one image; checked before it is decoded
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_NAME = re.compile(r"[0-9a-f]{64}")


def load(job: Job, name: str) -> Image.Image:
    """The image of a row, in RGB and upright, or fault.Input that names it."""
    with _opened(job, name) as picture:
        # Cameras store how they were held beside the pixels.
        return ImageOps.exif_transpose(picture).convert("RGB")


def size(job: Job, name: str) -> tuple[int, int]:
    """Width and height of what load returns; the image is not decoded."""
    with _opened(job, name) as picture:
        width, height = picture.size
        lies = picture.getexif().get(Base.Orientation, 1) in (5, 6, 7, 8)
        return (height, width) if lies else (width, height)


@contextmanager
def _opened(job: Job, name: str) -> Iterator[Image.Image]:
    """An image whose header is checked. What fails within is a fault of the image."""
    data = _read(job, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(data), formats=FORMATS)
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise Input(f"image {name}: {width} x {height} is more than {MAX_PIXELS} pixels")
        if getattr(picture, "n_frames", 1) > 1:
            raise Input(f"image {name} has {picture.n_frames} frames; use a still image")
        yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        raise Input(f"image {name} cannot be decoded: {e}") from e


def _read(job: Job, name: str) -> bytes:
    if not job.images:
        raise Input(f"image {name}: the job has images in its rows, but no folder of images")
    if not _NAME.fullmatch(name):
        raise Input(f"image {name!r} must be named by its SHA-256 in lower-case hexadecimal")
    path = Path(job.images) / name
    try:
        data = path.read_bytes()
    except OSError as e:
        raise Input(f"image {name}: cannot read {path}: {e}") from e
    found = hashlib.sha256(data).hexdigest()
    if found != name:
        raise Input(f"image {name}: {path} has SHA-256 {found}; the file was changed")
    return data
