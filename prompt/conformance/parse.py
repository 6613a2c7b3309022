"""Prints the outputs that DSPy reads from each answer, or null if it reads none."""

import functools
import json
import math
import sys

import dspy
from build import inner, plain, predictor
from cases import CLIP_VALUE, bare_answers, whole_answers
from fields import (
    DEFAULTS,
    EVENT_VALUE,
    ROUTING,
    TYPES,
    field,
)


def finite(value):
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return value


def read(adapter, signature, answer):
    if not answer:
        return None  # DSPy does not show an empty answer to its parser
    try:
        return finite(plain(adapter.parse(signature, answer)))
    except Exception:
        return None


@functools.cache
def signature(spec):
    return inner(predictor(json.loads(spec))).signature


def main():
    out = []

    def add(spec, adapter, answer):
        make = {"chat": dspy.ChatAdapter, "json": dspy.JSONAdapter}[adapter]
        outputs = read(make(), signature(json.dumps(spec)), answer)
        out.append(
            {
                "predictor": spec,
                "adapter": adapter,
                "answer": answer,
                "outputs": outputs,
            }
        )

    for kind in TYPES:
        spec = {"name": "p", "inputs": [field("q")], "outputs": [kind]}
        values = [
            *bare_answers(),
            json.dumps(CLIP_VALUE),
            json.dumps([CLIP_VALUE]),
            str(CLIP_VALUE),
            json.dumps(EVENT_VALUE),
            json.dumps([EVENT_VALUE, {**EVENT_VALUE, "both": "2", "when": None}]),
            str(EVENT_VALUE),
        ]
        for value in values:
            add(spec, "chat", f"[[ ## x ## ]]\n{value}\n\n[[ ## completed ## ]]")
            add(spec, "json", '{"x": ' + (value or '""') + "}")
    some = [
        ["a"],
        ["b", "c"],
        [],
        ["y"],
        ["y", "d", "f"],
        [f["name"] for f in DEFAULTS],
    ]
    for outputs in (DEFAULTS, [field("y"), *DEFAULTS], [*DEFAULTS, field("z", "int")]):
        spec = {"name": "p", "inputs": [field("q")], "outputs": outputs}
        values = {f["name"]: f.get("default", "1") for f in outputs}
        for names in some:
            said = {k: v for k, v in values.items() if k in names}
            chat = "".join(f"[[ ## {k} ## ]]\n{v}\n\n" for k, v in said.items())
            for text in (
                chat,
                chat.replace("5", "five"),
                json.dumps(said),
                "no answer",
            ):
                add(spec, "chat", text)
                add(spec, "json", text)
    for answer in whole_answers():
        add(ROUTING, "chat", answer)
        add(ROUTING, "json", answer)
    json.dump(out, sys.stdout, ensure_ascii=False)
    print()


main()
