"""Requests and answers of the tests."""

import base64
import io

import numpy as np
from PIL import Image


def uri(size=(64, 64), colour="red"):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def ask(*uris, **more):
    parts = [{"type": "image_url", "image_url": {"url": u}} for u in uris]
    return {"messages": [{"role": "user", "content": parts}], "task": "token_embed", **more}


def rows(response):
    assert response.status_code == 200, response.text
    return np.array(response.json()["data"][0]["data"])


def refusal(response, status=400):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    return error["code"], error["message"]
