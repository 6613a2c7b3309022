"""Transcriptions by the real Whisper model of the package, of sentences that eSpeak NG speaks."""

import re

import numpy as np
import pytest
from small_server import chords, noise, silence, spoken, wav
from wire import refusal

MODEL = "Systran/faster-whisper-tiny.en"
FIRST = "The weather in the mountains is cold tonight."
SECOND = "Our train to the city leaves at eleven."


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Four seconds of music, a sentence, five of silence, a sentence; and where they begin."""
    folder = tmp_path_factory.mktemp("talk")
    parts = [chords(4), spoken(FIRST, folder), silence(5), spoken(SECOND, folder)]
    starts = np.cumsum([0] + [p.size for p in parts])[:-1] / 22_050
    return wav(np.concatenate(parts)), starts[1], starts[3]


def ask(small, sound, **fields):
    data = {name.replace("granularities", "granularities[]"): v for name, v in fields.items()}
    files = {"file": ("a.wav", sound, "audio/wav")}
    return small.post("/audio/transcriptions", files=files, data=data)


def test_words_have_their_times(small, talk):
    sound, first, second = talk
    times = ["segment", "word"]
    kind = "verbose_json"
    response = ask(small, sound, response_format=kind, timestamp_granularities=times)
    assert response.status_code == 200, response.text
    found = response.json()
    assert (found["task"], found["language"]) == ("transcribe", "en")
    at = {w["word"].strip(".,").lower(): w["start"] for w in found["words"]}
    for word, start in [("weather", first), ("cold", first), ("train", second)]:
        assert start <= at[word] <= start + 2.5, found
    assert at["city"] > second, found
    assert not [w for w in found["words"] if w["start"] < first - 0.5], "words in music"
    ends = [s["end"] for s in found["segments"]]
    assert ends == sorted(ends)
    assert ends[-1] <= found["duration"]
    for s in found["segments"]:
        assert s["avg_logprob"] < 0 <= s["no_speech_prob"] < 0.6
        assert s["tokens"]


@pytest.mark.parametrize("sound", [silence, chords, noise])
def test_no_speech_has_no_words(small, sound):
    found = ask(small, wav(sound(8)), response_format="verbose_json").json()
    assert (found["text"], found["segments"]) == ("", [])


def test_formats(small, talk):
    answers = {k: ask(small, talk[0], response_format=k) for k in ("json", "text", "srt", "vtt")}
    assert {a.status_code for a in answers.values()} == {200}
    said = answers["json"].json()["text"]
    assert "weather" in said
    assert answers["text"].text == said + "\n"
    times = r"(\d\d:\d\d:\d\d)[,.]\d{3} --> (\d\d:\d\d:\d\d)[,.]\d{3}"
    assert re.match(r"1\n" + times.replace("[,.]", ",") + r"\n\S", answers["srt"].text)
    assert re.match(r"WEBVTT\n\n" + times.replace("[,.]", r"\.") + r"\n\S", answers["vtt"].text)


@pytest.mark.parametrize(
    ("sound", "fields", "code"),
    [
        (b"", {}, "bad_audio"),
        (b"RIFF of nothing", {}, "bad_audio"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", {}, "bad_audio"),
        (wav(silence(0)), {}, "no_audio"),
        (wav(silence(1)), {"language": "de"}, "unsupported_language"),
        (wav(silence(1)), {"response_format": "diarized_json"}, "invalid_request"),
        (wav(silence(1)), {"temperature": "nan"}, "invalid_request"),
        (wav(silence(1)), {"stream": "true"}, "invalid_request"),
        (wav(silence(1)), {"timestamp_granularities": ["word"]}, "invalid_request"),
        (wav(silence(1)), {"timestamp_granularities": ["line"]}, "invalid_request"),
    ],
)
def test_refusals(small, sound, fields, code):
    assert refusal(ask(small, sound, **fields))[0] == code


def test_refused_forms(small):
    path = "/audio/transcriptions"
    other = ask(small, wav(silence(1)), model="whisper-1")
    assert refusal(other, 404)[0] == "model_not_found"
    assert refusal(small.post(path, json={"model": MODEL}))[0] == "bad_form"
    assert refusal(small.post(path, files={"other": b"x"}))[1] == "the form must have a file"
    unmarked = {"content-type": "multipart/form-data"}
    assert refusal(small.post(path, content=b"x", headers=unmarked))[0] == "bad_form"
    large = ask(small, bytes(27 << 20))
    assert refusal(large, 413)[0] == "too_large"
