"""Rows with images for tests."""

import hashlib
import io

from PIL import Image

COLORS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 200)}


def picture(folder, color, size):
    """Write an image as the job has it, and return its name."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    name = hashlib.sha256(out.getvalue()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(out.getvalue())
    return name


def rows(folder, n=12):
    """Captioned pictures of several sizes; every third row shows two, and every fourth none."""
    out = []
    for i in range(n):
        word, color = list(COLORS.items())[i % 3]
        names = [picture(folder, color, (56 + 28 * (i % 4), 56 + i))]
        if i % 3 == 2:
            names.append(picture(folder, tuple(255 - c for c in color), (60, 84)))
        parts = [{"type": "image", "image": name} for name in names if i % 4 != 3]
        parts.append({"type": "text", "text": f"What is in picture {i}?"})
        answer = {"role": "assistant", "content": f"a {word} square, number {i}"}
        out.append({"messages": [{"role": "user", "content": parts}, answer]})
    return out
