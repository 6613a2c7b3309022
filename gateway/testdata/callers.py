"""The calls of Cogniverse's Python, as it makes them. Only the URLs are those of a gateway.

Arguments: a JSON object with a URL for each service, and a folder with said.wav, frame.jpg and
clip.mp4. What each caller was answered is printed as JSON: a test compares it with its models.
"""

import base64
import io
import json
import sys
import zipfile
from pathlib import Path

import requests

at, folder = json.loads(sys.argv[1]), Path(sys.argv[2])


def encoded(name):
    return base64.b64encode((folder / name).read_bytes()).decode()


frame = encoded("frame.jpg")
image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{frame}"}}


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
    said = post(url + "/v1/chat/completions", json=body)
    # The guide's client: the batch URL is made from that of one frame.
    one = url + "/generate-description"
    assert requests.get(one, timeout=60).status_code != 404, (
        "the probe takes the service for deployed"
    )
    described = post(one, json={"frame_base64": frame})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_keyframe_0000.jpg", (folder / "frame.jpg").read_bytes())
    batch = one.replace("generate-description", "upload-and-process-frames")
    body = {
        "zip_data": base64.b64encode(packed.getvalue()).decode(),
        "frame_mapping": {"v_keyframe_0000.jpg": "0"},
    }
    out = post(batch, json=body)
    assert out["processed_frames"] == 1, out
    return {
        "said": said["choices"][0]["message"]["content"],
        "one": described["description"],
        "batch": out["descriptions"]["0"],
    }


def llm():
    url = at["llm"]
    import openai

    name = only(url)["id"]
    client = openai.OpenAI(
        base_url=url + "/v1", api_key="none-is-required", max_retries=0
    )
    messages = [{"role": "user", "content": "hi"}]
    answer = client.chat.completions.create(
        model=name, messages=messages, extra_headers={"x-authz-user-id": "acme"}
    )
    import dspy

    lm = dspy.LM(
        f"openai/{name}",
        api_base=url + "/v1",
        api_key="none-is-required",
        temperature=0.1,
        max_tokens=1000,
        cache=False,
    )
    prompt = {
        "prompt": "Capital?",
        "temperature": 0.7,
        "max_tokens": 100,
        "stop": ["\n"],
    }
    generated = post(url + "/generate", json=prompt)
    assert generated["status"] == "success", generated
    chat = post(url + "/chat-completions", json={"messages": messages})
    assert requests.get(url + "/models", timeout=60).json()["default_model"] == name
    tokens = post(url + "/tokenize", json={"model": name, "messages": messages})
    return {
        "said": answer.choices[0].message.content,
        "dspy": lm("hi"),
        "generated": generated["text"],
        "chat": chat["choices"][0]["message"]["content"],
        "tokens": tokens["count"],
    }


def pooling():
    url = at["pooling"]
    name = only(url)["id"]
    rows = {}
    for kind, part in {
        "image": image,
        "text": {"type": "text", "text": "a red car"},
    }.items():
        messages = [{"role": "user", "content": [part]}]
        asked = {"model": name, "messages": messages}
        rows[kind] = post(url + "/pooling", json=asked)["data"][0]["data"]
    got = post(url + "/pooling", json={"input": ["a", "b"], "is_query": True})
    assert set(got) >= {"object", "data", "model"}, got
    return {**rows, "queries": [item["data"] for item in got["data"]]}


def sidecars():
    """ColPali on a CPU, and the servers of X-CLIP and CLAP."""
    url = at["sidecars"]
    pictures = {"images": [frame], "model": only(url)["id"]}
    sent = {
        "video": {"video_b64": encoded("clip.mp4")},
        "audio": {"audio_b64": encoded("said.wav")},
        "text": {"text": "a red car"},
    }
    vectors = {
        kind: post(f"{url}/embed/{kind}", json=body)["vec"]
        for kind, body in sent.items()
    }
    return {
        "images": post(url + "/v1/embeddings", json=pictures)["embeddings"],
        **vectors,
    }


def meaning():
    url = at["denseon"]
    return [
        post(
            url + "/v1/embeddings",
            json={"model": only(url)["id"], "input": "query: " + text},
        )["data"][0]["embedding"]
        for text in (
            "it is chilly up in the hills",
            "The weather in the mountains is cold.",
            "Our train leaves at eleven.",
        )
    ]


def speech():
    url = at["asr"]
    with (folder / "said.wav").open("rb") as sound:
        return post(
            url + "/v1/audio/transcriptions",
            files={"file": ("said.wav", sound, "audio/wav")},
            data={"model": only(url)["id"], "language": "en"},
        )["text"]


calls = (vlm, llm, pooling, sidecars, meaning, speech)
print(json.dumps({call.__name__: call() for call in calls}))
