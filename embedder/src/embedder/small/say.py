"""python -m embedder.small.say TEXT FILE ...: speak each text by eSpeak NG into a WAV file."""

import ctypes
import functools
import sys
import wave

import espeakng_loader

SYNCHRONOUS = 2
UTF8 = 1


@functools.cache
def engine() -> tuple[ctypes.CDLL, int]:
    """The library, ready, and the rate of its samples. It can be made ready only once."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    return library, rate


def speak(text: str, voice: str = "en-us") -> tuple[bytes, int]:
    """The samples of a spoken text (16 bits, mono), and their rate."""
    library, rate = engine()
    sound = bytearray()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(samples, count, _events):
        if count > 0:
            sound.extend(ctypes.string_at(samples, 2 * count))
        return 0

    library.espeak_SetSynthCallback(take)
    raw = text.encode() + b"\0"
    if rate <= 0 or library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise RuntimeError(f"eSpeak NG has no voice {voice}")
    if library.espeak_Synth(raw, len(raw), 0, 0, 0, UTF8, None, None) != 0:
        raise RuntimeError("eSpeak NG does not speak the text")
    return bytes(sound), rate


def main() -> int:
    for text, path in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        sound, rate = speak(text)
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
