"""Decodes videos with PyAV, FFmpeg's libraries of another version, for truth_test.go.

Standard input: a JSON list of paths. Standard output: for each path, the pictures in order
of showing, each [milliseconds since the container's start, number, colours of the patches].
The number is the bar code in the upper fifth: 16 bars, the lowest bit first. The patches are
the eight of the lower third. Rotation is not applied.
"""

import json
import sys

import av
from av.video.reformatter import ColorRange, Colorspace


def matrix(frame):
    """The matrix that a frame names, else that of its size."""
    named = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601}.get(
        frame.colorspace
    )
    return named or (
        Colorspace.ITU709
        if frame.width >= 1280 or frame.height > 576
        else Colorspace.ITU601
    )


def mean(at, x, y):
    """The mean colour of five by five pixels."""
    around = [at(x + i, y + j) for i in range(-2, 3) for j in range(-2, 3)]
    return [round(sum(channel) / len(around)) for channel in zip(*around, strict=True)]


def picture(frame, start):
    full = frame.color_range == 2 or frame.format.name.startswith("yuvj")
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=matrix(frame),
        dst_colorspace=matrix(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    plane = rgb.planes[0]
    data, width = bytes(plane), plane.line_size

    def at(x, y):
        i = y * width + 3 * x
        return list(data[i : i + 3])

    number = sum(
        (at((2 * i + 1) * rgb.width // 32, rgb.height // 10)[1] > 127) << i
        for i in range(16)
    )
    patches = [
        mean(at, (2 * i + 1) * rgb.width // 16, rgb.height * 5 // 6) for i in range(8)
    ]
    ms = (
        None if frame.pts is None else float(frame.pts * frame.time_base) * 1000 - start
    )
    return [ms, number, patches]


def main():
    out = []
    for path in json.load(sys.stdin):
        with av.open(path) as container:
            start = (container.start_time or 0) / 1000
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"
            out.append([picture(frame, start) for frame in container.decode(stream)])
    json.dump(out, sys.stdout)


main()
