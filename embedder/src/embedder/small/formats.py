"""The response formats of OpenAI's /v1/audio/transcriptions."""

FORMATS = ("json", "verbose_json", "text", "srt", "vtt")
TYPES = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
OF_SEGMENT = ("id", "seek", "start", "end", "text", "tokens", "temperature")
OF_MODEL = ("avg_logprob", "compression_ratio", "no_speech_prob")


def plain(found) -> dict:
    """json."""
    usage = {"type": "duration", "seconds": round(found.duration)}
    return {"text": found.text, "usage": usage}


def verbose(found, granularities: set) -> dict:
    """verbose_json, with times of segments, of words or of both."""
    out = {
        "task": "transcribe",
        "language": found.language,
        "duration": found.duration,
        **plain(found),
    }
    if "segment" in granularities:
        out["segments"] = [
            {name: getattr(s, name) for name in OF_SEGMENT + OF_MODEL} for s in found.segments
        ]
    if "word" in granularities:
        out["words"] = [
            {"word": w.word.strip(), "start": float(w.start), "end": float(w.end)}
            for s in found.segments
            for w in s.words or ()
        ]
    return out


def text(found, kind: str) -> str:
    """text, srt or vtt."""
    if kind == "text":
        return found.text + "\n"
    mark = "," if kind == "srt" else "."
    cues = []
    for number, s in enumerate(found.segments, 1):
        times = f"{clock(s.start, mark)} --> {clock(s.end, mark)}"
        lines = [times, cue(s.text)]
        cues.append("\n".join([str(number), *lines] if kind == "srt" else lines) + "\n")
    return "\n".join((["WEBVTT\n"] if kind == "vtt" else []) + cues)


def cue(words: str) -> str:
    """The text of a cue: an arrow in it would be read as times."""
    return words.strip().replace("-->", "->")


def clock(seconds: float, mark: str) -> str:
    """hours:minutes:seconds and milliseconds."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"
