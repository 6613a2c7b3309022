"""The server of small models as a process, and sounds for it."""

import io
import os
import re
import subprocess
import wave
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / "small/.venv/bin/python"  # installed by `make small`
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
RATE = 22_050  # of eSpeak NG


@contextmanager
def running():
    """A client of a running server."""
    command = [PYTHON, "-m", "embedder.small", "--port", "0", "--threads", "2"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as server:
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the server did not start"
            with httpx2.Client(base_url=found[0], timeout=120) as client:
                yield client
        finally:
            server.terminate()


def spoken(text, folder):
    """A text as eSpeak NG speaks it: samples at RATE."""
    path = folder / "spoken.wav"
    subprocess.run([PYTHON, "-m", "embedder.small.say", text, path], env=ENVIRONMENT, check=True)
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def silence(seconds):
    return np.zeros(int(seconds * RATE), np.int16)


def chords(seconds):
    """Music of a kind: three tones whose loudness swings."""
    t = np.arange(int(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) * (1 + np.sin(s * t)) for f, s in CHORD)
    return (3000 * tones).astype(np.int16)


CHORD = [(440, 9), (554, 14), (659, 20)]  # the frequency of a tone, and how fast it swings


def noise(seconds):
    found = np.random.default_rng(1).normal(0, 3000, int(seconds * RATE))
    return found.astype(np.int16)


def wav(samples):
    """Samples as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()
