"""The cases for both sides."""

import json
import random

from fields import (
    AGENTIC,
    DEFAULTS,
    IMAGE,
    PIXEL,
    QA,
    REMOTE,
    ROUTING,
    TYPES,
    VALUES,
    field,
)

INSTRUCTIONS = [
    "One line.",
    "  Indented first.\n    And second.\n      And third.\n",
    "\n\n\tTabs\n\t\tand more tabs\n\n\n",
    "Line one\r\nline two\u2028line three",
    "   ",
    "Ends with spaces   \n   \nlast",
    "First\n\n\n    deep\n  shallow",
    "a\x0bb\x0cc\x1cd\x85e",
]


def render_cases():
    cases = []

    def add(name, predictor, inputs, demos=()):
        cases.append(
            {
                "name": name,
                "predictor": predictor,
                "inputs": inputs,
                "demos": list(demos),
            }
        )

    for i, output in enumerate(TYPES):
        for module in ("predict", "chain_of_thought"):
            p = {
                "name": "p",
                "module": module,
                "inputs": [field("q")],
                "outputs": [output],
            }
            add(f"output {i} by {module}", p, {"q": "what?"})
    for i, kind in enumerate(TYPES):
        if i not in (0,):
            p = {
                "name": "p",
                "inputs": [kind, field("other", desc="another")],
                "outputs": [field("answer")],
            }
            add(f"input of type {i}", p, {"x": ["a", "b"], "other": "o"})
    for i, value in enumerate(VALUES):
        if isinstance(value, list) and any(not isinstance(v, str) for v in value):
            kind = field("x", "list")
        else:
            kind = field("x")
        p = {
            "name": "p",
            "inputs": [kind],
            "outputs": [field("y"), field("z", "object")],
        }
        demos = [{"augmented": True, "x": value, "y": "fine", "z": {"k": value}}]
        add(f"value {i}", p, {"x": value}, demos)
    for i, text in enumerate(INSTRUCTIONS):
        for module in ("predict", "chain_of_thought"):
            add(
                f"instructions {i} {module}",
                {**QA, "module": module, "instructions": text},
                {"question": "q"},
            )
    full = {
        "augmented": True,
        "query": "find the goal",
        "modality": "video",
        "query_features": {"length": 3},
        "reasoning": "It asks for a moment.",
        "recommended_agent": "video_search",
        "confidence": 0.9,
    }
    labeled = {k: v for k, v in full.items() if k not in ("augmented", "reasoning")}
    labeled["dspy_uuid"] = "1"
    inputs = {"query": "who speaks?", "modality": "audio", "query_features": {}}
    add("routing", ROUTING, inputs)
    add("routing, full demo", ROUTING, inputs, [full])
    add(
        "routing, labeled demos before full ones",
        ROUTING,
        inputs,
        [full, labeled, full],
    )
    add("routing, null output", ROUTING, inputs, [{**full, "confidence": None}])
    add(
        "routing, demo without outputs",
        ROUTING,
        inputs,
        [{"query": "x", "modality": "text"}],
    )
    add("routing, demo without inputs", ROUTING, inputs, [{"confidence": 0.1}])
    add("routing, missing input", ROUTING, {"query": "only this"})
    add("routing, unknown input", ROUTING, {**inputs, "extra": 1})
    decision = {"search_modality": "video", "generation_type": "summary"}
    demo = {
        "conversation_history": "",
        "user_query": "sum it up",
        "routing_decision": decision,
    }
    add(
        "agentic",
        AGENTIC,
        {"conversation_history": "user: hi", "user_query": "more"},
        [demo],
    )
    add(
        "agentic, with reasoning",
        AGENTIC,
        {"conversation_history": "", "user_query": "m"},
        [{**demo, "reasoning": "r"}],
    )
    many = [field(f"in{i}", desc=f"input {i}" if i % 2 else "") for i in range(12)]
    outs = [
        field(
            f"out_{i}Name{i}",
            t["type"],
            **{k: v for k, v in t.items() if k not in ("name", "type")},
        )
        for i, t in enumerate(TYPES)
    ]
    add(
        "many fields",
        {"name": "p", "inputs": many, "outputs": outs},
        {f"in{i}": "v" for i in range(12)},
    )
    for name in (
        "camelCaseText",
        "snake_case_text",
        "text2number",
        "HTMLParser",
        "A",
        "x1y2Z3",
        "aBC",
        "über_name",
    ):
        p = (
            {"name": "p", "inputs": [field("q")], "outputs": [field(name)]}
            if name.isascii()
            else QA
        )
        add(f"label of {name}", p, {k["name"]: "v" for k in p["inputs"]})
    add(
        "prefix and ${} description",
        {
            "name": "p",
            "inputs": [field("q", desc="${q}", prefix="Question?")],
            "outputs": [field("a", desc="${b}")],
        },
        {"q": "v"},
    )
    image_cases(add)
    for i, output in enumerate(DEFAULTS):
        p = {"name": "p", "inputs": [field("q", default="?")], "outputs": [output]}
        add(f"default {i}", p, {"q": "v"}, [{"q": "w", output["name"]: None}])
        add(f"default {i}, no input", p, {}, [{output["name"]: output["default"]}])
    p = {"name": "p", "inputs": DEFAULTS, "outputs": [field("y")]}
    add("defaults of inputs", p, {"a": 1}, [{"b": "x", "y": "z"}])
    p = {"name": "p", "inputs": [field("q")], "outputs": DEFAULTS}
    add("defaults of outputs", p, {"q": "v"}, [{"q": "x", "b": "z"}])
    return cases


def image_cases(add):
    """Inputs and demos with images."""
    photo, text = field("photo", **IMAGE), field("text", desc="what to find")
    many = field("photos", "list", items=IMAGE)
    maybe = field("maybe", "optional", items=IMAGE)
    lists = field("lists", "optional", items={"type": "list", "items": IMAGE})
    named = field("named", "object", items=IMAGE)
    page = field(
        "page",
        "object",
        **{"class": "Page", "fields": [field("title"), field("scan", **IMAGE)]},
    )
    outputs = [field("answer"), field("sure", "bool")]
    said = {"augmented": True, "answer": "a cat", "sure": True}
    values = {
        "photo": [PIXEL, REMOTE, {"url": PIXEL}, {"url": REMOTE}],
        "photos": [[PIXEL, REMOTE], [], [{"url": PIXEL}], [REMOTE, REMOTE, REMOTE]],
        "maybe": [PIXEL, None, {"url": REMOTE}],
        "lists": [[PIXEL], None, []],
        "named": [{"a": PIXEL, "é": REMOTE}, {}],
        "page": [{"title": 'a "page"\n', "scan": PIXEL}],
    }
    for kind in (photo, many, maybe, lists, named, page):
        name = kind["name"]
        for i, value in enumerate(values[name]):
            for module in ("predict", "chain_of_thought")[: 2 if i == 0 else 1]:
                orders = [[kind, text]]
                if i == 0:
                    orders += [[kind], [text, kind]]
                if i == 0 and kind is not photo:
                    orders += [[text, kind, photo]]
                for fields in orders:
                    p = {"name": "p", "module": module, "inputs": fields}
                    p["outputs"] = outputs
                    given = {f["name"]: "  a text\n" for f in fields}
                    given["photo"] = PIXEL
                    given[name] = value
                    demo = {**said, **given, "reasoning": "it has ears"}
                    label = {k: v for k, v in demo.items() if k != "augmented"}
                    part = {"photo": PIXEL, "photos": [REMOTE], "answer": "b"}
                    order = "+".join(f["name"] for f in fields)
                    title = f"image {order} {i} by {module}"
                    add(title, p, given, [demo, {**label, "sure": None}, part])
                    if len(fields) < 3:
                        add(title + ", no demos", p, given)


RENDER = render_cases()

BARE = r"""
x|5|5.0|-3|+5| 7 |5.|.5|1e3|1_000|1,000|0x10|007|5 apples|about 5|five|--3|1/2|50%|inf|nan|Infinity|-Infinity
True|true|TRUE|yes|No|off|1|0|2|maybe|None|null|"5"|'5'|"true"|True.|**True**|`5`|"yes"|'no'|Literal[yes]|Literal["yes"]|str[no]
it's|say "hi"|only|"only"|Yes|yes |yes.|3|4|7|a|b|["a", "b"]|['a', 'b']|[a, b]|a, b|- a|"a", "b"|("a", "b")|['a', 'c']
[1, 2, 3]|[1, "2", 3.0]|[1.5]|(1, 2)|1, 2|[[1, 2.5], [3]]|[[1], 2]|[]|{}|{"a": 1}|{'a': 1}|{a: 1}|{"a": 1,}|{"a": "1"}|{"a": 1.5}|{"a": ["x"]}
{"a": [1]}|{"a": null}|{"start": 1, "end_time": 2}|{"start": "1", "end_time": "2.5"}|{"start": 1}|{'start': 1, 'end_time': 2.0, 'more': 3}|{"start": 1.5, "end_time": 1}
{"a": 1} {"b": 2}|```json_{"a": 1}_```|Here: {"a": 1}|{"a": True, "b": None}|{"a": 1 // one_}|{"a": "b|{"a": [1, 2|{1: 2}|{"a", "b"}|"just text"|[[ ## y ## ]]
r'x'|b'x'|"a" "b"|'''x'''|{'a': (1, 2)}|5 # five|[1,_2]|1_2|a: 1_b: 2|...|(1)|(1,)|{1, 2}|'\x41'|'\u00e9'|1e400|123456789012345678901234567890|-0|0.0|1.0
[1, true, 1.0, "b", 0, false]|[0.0, 1]|[2]|"1"|'2'|Literal[2]|Literal["3"]| 2.0 |7.0|"7"
red|RED|blue|BLUE|Color.RED|"red"|'red'|GREEN|["red", "BLUE"]|["red", "blue"]|{"k": "red"}|{"k": "x"}|LOW|[1, 2]|[1.0, true]|["1"]|[1, "x", null]|[null]
-1|10| 10 |"10"|-1.0|- 1|01|10.|Literal[-1]|Literal["-1"]|**2**|2 - good|(2)|[2]|['2']|[1, 3, 2]|[1, 4]|["1", 2.0]|{"a": 2}|{"a": "2"}|{"a": 4}|Level.HIGH|HIGH|"HIGH"|<Level.HIGH: 2>|2.0|["HIGH"]
2026-01-02|2026-01-02T03:04:05|2026-01-02T03:04:05Z|2026-01-02 03:04:05.123|2026-01-02T03:04:05.123456789+05:30|2026-01-02T03:04|2026-01-02t03:04:05z|2026-01-02T24:00:00
2026-02-30|2026-1-2|02/01/2026|20260102|2026-01-02T00:00:00|2026-01-02T00:00:00Z|2026-01-02T00:00:00-08:00|1700000000|1700000000123|"1700000000"|1700000000.5|86400|-86400|1e10|20000000001
0000-01-01|0001-01-01|9999-12-31|253402300800|-62135596801|2026-01-02T03:04:05+0530|2026-01-02T03:04:05-00:00|"2026-01-02"|['2026-01-02']|["2026-01-02", "x"]|{"k": "2026-01-02T03:04:05"}|2026-01-02T03:04:60|2026-01-02Z|tomorrow
{"title": "t"}|{"start": 1, "end_time": 2, "title": "x"}|[1.0, "2"]|["1", "2"]|[true]|1 |-1.0|NULL|none|nil|~|b'5'|b"2026-01-02"|[...]|[b'x']|b'x' b'y'|br'x'
"""


def bare_answers():
    rows = BARE.strip("\n").split("\n")
    return [
        a.replace("_", "\n")
        if "```" in a or "_}" in a or ",_" in a or "1_b" in a or "1_2" == a
        else a
        for row in rows
        for a in row.split("|")
    ] + [""]


CLIP_VALUE = {
    "title": "t",
    "span": {"start": 1, "end_time": 2.5},
    "type": "a",
    "tags": ["x", "y"],
    "spans": [{"start": 1, "end_time": 2}],
}
ROUTED = {
    "reasoning": "It asks for a moment.",
    "recommended_agent": "video_search",
    "confidence": 0.9,
}


def whole_answers():
    """Answers to the routing predictor: chat and JSON, whole and damaged."""

    def chat(values):
        body = "\n\n".join(f"[[ ## {k} ## ]]\n{v}" for k, v in values.items())
        return body + "\n\n[[ ## completed ## ]]\n"

    good = chat(ROUTED)
    answers = [
        good,
        good.replace("\n\n", "\n"),
        good.replace("\n", "\r\n"),
        "<think>\nhm\n</think>\n" + good,
        good + good.replace("video", "image"),
        good.replace("## ]]\n", "## ]] "),
        "  " + good.replace("\n[[", "\n   [["),
        good.replace("[[ ##", "[[##"),
        good.replace("0.9", "90%"),
        good.replace("0.9", "high"),
        good.replace("0.9", ""),
        good.replace("video_search", "Video_Search"),
        good.replace("video_search", "'video_search'"),
        good.replace("video_search", "video_search\n\nbecause it is"),
        good.split("[[ ## confidence")[0],
        good.replace("confidence", "Confidence"),
        "",
        " ",
        "video_search",
        "I cannot help with that.",
        good.replace("[[ ## completed ## ]]\n", ""),
        good.upper(),
        "[[ ## extra ## ]]\n1\n\n" + good,
        good.replace("It asks", "It asks\u2028or\x0bso"),
        "   [[ ## reasoning ## ]] r\n" + good.split("\n", 2)[2],
    ]
    text = json.dumps(ROUTED)
    answers += [
        text,
        json.dumps(ROUTED, indent=2),
        "```json\n" + text + "\n```",
        "Sure!\n" + text + "\nDone.",
        text[:-1],
        text[:-3],
        text.replace('"', "'"),
        str(ROUTED),
        text.replace(", ", ",\n// why\n"),
        text[1:],
        text + text,
        "[" + text + "]",
        text.replace("0.9", '"0.9"'),
        text.replace("0.9", "null"),
        text.replace("0.9", "0,9"),
        text.replace('"video_search"', "video_search"),
        text.replace('"It asks for a moment."', "null"),
        text.replace('"It asks for a moment."', '{"a": [1, true]}'),
        text.replace("asks", 'says "hi"'),
        text.replace("{", "{{").replace("}", "}}"),
        text.replace('"confidence"', "confidence"),
        "{}",
        "[]",
        "null",
        "{",
        '{"reasoning": "x"}',
        'noise {"a": {"b": 1}} ' + text,
        "<think>{maybe}</think>" + text,
        json.dumps({**ROUTED, "extra": 1}),
        json.dumps({"outputs": ROUTED}),
    ]
    rnd = random.Random(5)
    for _ in range(120):
        s = rnd.choice([good, text, json.dumps(ROUTED, indent=2)])
        for _ in range(rnd.choice([1, 1, 2])):
            i = rnd.randrange(len(s))
            s = rnd.choice(
                [
                    s[:i],
                    s[:i] + s[i + 1 :],
                    s[:i] + rnd.choice('",:}]{[\n\\') + s[i:],
                    s[:i] + s[i + 5 :],
                ]
            )
            s = s or " "
        answers.append(s)
    return answers
