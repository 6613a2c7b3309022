"""Sound out of uploaded files, as the samples that Whisper takes."""

import io

import av
import numpy as np

from ..fault import bad

RATE = 16_000  # samples a second
MAX_SECONDS = 3600  # of one upload: a few bytes of compressed silence may stand for hours
# Demuxers that read one file. A playlist (HLS, DASH, concat) would open other files.
FORMATS = "aac,aiff,asf,avi,caf,flac,flv,matroska,mov,mp3,mpegts,ogg,w64,wav,webm"


def samples(data: bytes) -> np.ndarray:
    """The first sound track as mono floats, or a Fault."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pieces, size = [], 0
    try:
        with av.open(io.BytesIO(data), options={"format_whitelist": FORMATS}) as file:
            if not file.streams.audio:
                raise bad("the file has no sound track", "no_audio")
            for frame in _frames(file, resampler):
                piece = frame.to_ndarray().ravel()
                size += piece.size
                if size > MAX_SECONDS * RATE:
                    raise bad(f"the sound is longer than {MAX_SECONDS} seconds", "audio_too_long")
                pieces.append(piece)
    except (av.FFmpegError, ValueError) as e:
        raise bad(f"the file cannot be decoded as sound: {e}", "bad_audio") from e
    if not size:
        raise bad("the file has no sound", "no_audio")
    return np.concatenate(pieces).astype(np.float32) / 32768


def _frames(file, resampler):
    for frame in file.decode(audio=0):
        frame.pts = None  # gaps in a container's times are not silence
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
