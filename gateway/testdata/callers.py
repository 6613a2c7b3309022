"""The calls of Cogniverse's Python, as it makes them. Only the URLs are those of a gateway.

Arguments: a JSON object with a URL for each service, and a folder with said.wav and frame.jpg.
"""

import base64
import io
import json
import sys
import zipfile
from pathlib import Path

import requests

at, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
frame = (folder / "frame.jpg").read_bytes()
encoded = base64.b64encode(frame).decode()
image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}}


def post(url, **kwargs):
    response = requests.post(url, timeout=600, **kwargs)
    assert response.status_code == 200, (url, response.status_code, response.text)
    return response.json()


def only(url):
    """Every caller asks first which model a service has."""
    data = requests.get(url + "/v1/models", timeout=60).json()["data"]
    assert len(data) == 1, data
    return data[0]


def vlm():
    url = at["vlm"]
    model = only(url)
    assert model["revision"] == "r1" and model["max_model_len"] == 4096, model
    assert requests.get(url + "/health", timeout=60).json()["model"] == model["id"]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Describe."}, image]}
    ]
    body = {
        "model": model["id"],
        "messages": messages,
        "max_tokens": 256,
        "temperature": 0.2,
    }
    said = post(url + "/v1/chat/completions", json=body)["choices"][0]["message"][
        "content"
    ]
    assert "64 by 48" in said, said
    # The guide's client: the batch URL is made from that of one frame.
    one = url + "/generate-description"
    assert requests.get(one, timeout=5).status_code != 404, (
        "the probe takes the service for deployed"
    )
    assert "64 by 48" in post(one, json={"frame_base64": encoded})["description"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_keyframe_0000.jpg", frame)
    batch = one.replace("generate-description", "upload-and-process-frames")
    body = {
        "zip_data": base64.b64encode(packed.getvalue()).decode(),
        "frame_mapping": {"v_keyframe_0000.jpg": "0"},
    }
    out = post(batch, json=body)
    assert "64 by 48" in out["descriptions"]["0"] and out["processed_frames"] == 1, out


def llm():
    url = at["llm"]
    import openai

    name = "HuggingFaceTB/SmolLM3-3B"
    client = openai.OpenAI(
        base_url=url + "/v1", api_key="none-is-required", max_retries=0
    )
    messages = [{"role": "user", "content": "hi"}]
    answer = client.chat.completions.create(
        model=name, messages=messages, extra_headers={"x-authz-user-id": "acme"}
    )
    assert answer.choices[0].message.content == "hello", answer
    import dspy

    lm = dspy.LM(
        f"openai/{name}",
        api_base=url + "/v1",
        api_key="none-is-required",
        temperature=0.1,
        max_tokens=1000,
        cache=False,
    )
    assert lm("hi") == ["hello"]
    assert (
        post(url + "/tokenize", json={"model": name, "messages": messages})["count"]
        == 3
    )
    got = post(
        url + "/generate",
        json={
            "prompt": "Capital?",
            "temperature": 0.7,
            "max_tokens": 100,
            "stop": ["\n"],
        },
    )
    assert got["text"] == "Paris" and got["status"] == "success", got
    assert (
        post(url + "/chat-completions", json={"messages": messages})["choices"][0][
            "message"
        ]["content"]
        == "hello"
    )
    assert requests.get(url + "/models", timeout=60).json()["default_model"] == name


def pooling():
    url = at["pooling"]
    name = only(url)["id"]
    for content in ([image], [{"type": "text", "text": "a red car"}]):
        data = post(
            url + "/pooling",
            json={"model": name, "messages": [{"role": "user", "content": content}]},
        )["data"][0]["data"]
        assert len(data) == 2 and len(data[0]) == 3, data
    got = post(url + "/pooling", json={"input": ["a", "b"], "is_query": True})
    assert set(got) >= {"object", "data", "model"}, got
    assert post(url + "/v1/embeddings", json={"images": [encoded], "model": name})[
        "embeddings"
    ]
    for path, body in {
        "video": {"video_b64": encoded},
        "audio": {"audio_b64": encoded},
        "text": {"text": "a"},
    }.items():
        assert post(f"{url}/embed/{path}", json=body)["vec"], path


def meaning():
    url = at["denseon"]

    def vector(text):
        return post(
            url + "/v1/embeddings",
            json={"model": only(url)["id"], "input": "query: " + text},
        )["data"][0]["embedding"]

    def dot(a, b):
        return sum(x * y for x, y in zip(a, b))

    hills, mountains, train = map(
        vector,
        (
            "it is chilly up in the hills",
            "The weather in the mountains is cold.",
            "Our train leaves at eleven.",
        ),
    )
    assert dot(hills, mountains) > dot(hills, train) + 0.1


def speech():
    url = at["asr"]
    with (folder / "said.wav").open("rb") as sound:
        said = post(
            url + "/v1/audio/transcriptions",
            files={"file": ("said.wav", sound, "audio/wav")},
            data={"model": only(url)["id"], "language": "en"},
        )
    assert "weather" in said["text"].lower(), said


for call in (vlm, llm, pooling, meaning, speech):
    call()
    print(call.__name__, "works")
