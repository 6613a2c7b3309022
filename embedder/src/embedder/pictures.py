"""Pictures out of data URIs. Nothing else is ever opened: no URL, no path."""

import base64
import binascii
import io
import warnings

from PIL import Image

from .fault import bad

MAX_PIXELS = 32 * 1024 * 1024  # of one picture; checked before it is decoded
FORMATS = ("JPEG", "PNG", "WEBP")


def read(uri: object) -> Image.Image:
    """Decode one data URI, or raise a Fault."""
    if not isinstance(uri, str) or not uri.startswith("data:image/"):
        raise bad("a picture must be a data: URI; URLs and paths are not opened", "not_a_data_uri")
    head, comma, body = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise bad("a data: URI must be base64", "bad_base64")
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error as e:
        raise bad(f"the picture is not base64: {e}", "bad_base64") from e
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise bad(f"{width}x{height} is more than {MAX_PIXELS} pixels", "too_many_pixels")
        return picture.convert("RGB")  # decodes; a truncated picture raises OSError
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        raise bad(f"the picture cannot be decoded: {e}", "bad_picture") from e
