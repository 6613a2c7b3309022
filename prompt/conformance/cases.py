"""The cases that both sides are shown."""

import json
import random


def field(name, type="str", desc="", **more):
    return {"name": name, "type": type, **({"desc": desc} if desc else {}), **more}


MODALITIES = ["video", "image", "audio", "document", "text"]
AGENTS = [
    "video_search",
    "image_search",
    "audio_analysis",
    "document_agent",
    "text_search",
]
SPAN = {
    "class": "Span",
    "fields": [field("start", "int", "first second"), field("end_time", "float")],
}
CLIP = {
    "class": "Clip",
    "fields": [
        field("title"),
        field("span", "object", "where it is", **SPAN),
        field("type", "literal", options=["a", "b"]),
        field("tags", "list", items={"type": "str"}),
        field("spans", "list", items={"type": "object", **SPAN}),
    ],
}

ROUTING = {
    "name": "route",
    "module": "chain_of_thought",
    "instructions": "Route a query to the agent that can answer it best.",
    "inputs": [
        field("query", desc="User query"),
        field("modality", "literal", "Detected modality", options=MODALITIES),
        field("query_features", "object", "Features of the query"),
    ],
    "outputs": [
        field("recommended_agent", "literal", "Which agent", options=AGENTS),
        field("confidence", "float", "Confidence from 0 to 1"),
        field("reasoning", desc="Why this agent"),
    ],
}
AGENTIC = {
    "name": "router",
    "module": "chain_of_thought",
    "instructions": "\n    Decide how to answer.\n\n        - search first\n        - then generate\n    ",
    "inputs": [field("conversation_history"), field("user_query")],
    "outputs": [
        field(
            "routing_decision",
            "object",
            **{
                "class": "RoutingDecision",
                "fields": [
                    field("search_modality", "literal", options=["video", "text"]),
                    field(
                        "generation_type",
                        "literal",
                        options=["detailed_report", "summary", "raw_results"],
                    ),
                ],
            },
        )
    ],
}
QA = {"name": "qa", "inputs": [field("question")], "outputs": [field("answer")]}

COLOR = {
    "type": "enum",
    "class": "Color",
    "members": ["RED", "BLUE", "GREEN"],
    "options": ["red", "blue", "RED"],
}
LEVEL = {
    "type": "enum",
    "class": "Level",
    "members": ["LOW", "HIGH"],
    "options": [1, 2],
}
BARE_ENUM = {"type": "enum", "class": "Bare", "options": ["a", 2]}
EVENT = {
    "type": "object",
    "class": "Event",
    "fields": [
        field("color", **COLOR),
        field("when", "optional", "at", items={"type": "datetime"}),
        field("day", "date"),
        field("maybe", "optional", "if any", items=COLOR),
        field("both", "union", types=[{"type": "int"}, LEVEL]),
    ],
}
EVENT_VALUE = {
    "color": "red",
    "when": "2026-01-02 03:04:05+01:00",
    "day": "2026-01-02",
    "maybe": None,
    "both": 2,
}
NULL = {"type": "null"}


def union(*types):
    return field(
        "x", "union", types=[t if isinstance(t, dict) else {"type": t} for t in types]
    )


def optional(kind, **more):
    return field("x", "optional", items={"type": kind, **more})


# An output of every type, with answers that are right, odd and wrong.
TYPES = [
    field("x", "str"),
    field("x", "int"),
    field("x", "float"),
    field("x", "bool"),
    field("x", "literal", options=["yes", "no", "it's", 'say "hi"']),
    field("x", "literal", options=[1, 2, 3]),
    field("x", "literal", options=[True, "maybe", 7]),
    field("x", "literal", options=["only"]),
    field("x", "list"),
    field("x", "list", items={"type": "str"}),
    field("x", "list", items={"type": "int"}),
    field("x", "list", items={"type": "literal", "options": ["a", "b"]}),
    field("x", "list", items={"type": "literal", "options": [0, 1, True, "b"]}),
    field("x", "list", items={"type": "list", "items": {"type": "float"}}),
    field("x", "object"),
    field("x", "object", items={"type": "int"}),
    field("x", "object", items={"type": "list", "items": {"type": "str"}}),
    field("x", "object", **SPAN),
    field("x", "object", **CLIP),
    field("x", "list", items={"type": "object", **CLIP}),
    field("x", **COLOR),
    field("x", **LEVEL),
    field("x", **BARE_ENUM),
    field("x", "list", items=COLOR),
    field("x", "list", items=LEVEL),
    field("x", "object", items=COLOR),
    field("x", "date"),
    field("x", "datetime"),
    field("x", "list", items={"type": "date"}),
    field("x", "object", items={"type": "datetime"}),
    optional("str"),
    optional("int"),
    optional("bool"),
    optional("float"),
    optional("date"),
    optional("datetime"),
    optional("list", items={"type": "str"}),
    optional("list"),
    optional("object", items={"type": "int"}),
    optional("literal", options=["a", 2]),
    optional("object", **SPAN),
    optional(**{"kind": "enum", **{k: v for k, v in COLOR.items() if k != "type"}}),
    field("x", "optional", items={"type": "union", "types": [{"type": "int"}, LEVEL]}),
    union("int", "str"),
    union("str", "int"),
    union("int", "float"),
    union("float", "int"),
    union("bool", "int", "str"),
    union("int", "bool"),
    union("float", "bool"),
    union(NULL, "int", "str"),
    union("date", "datetime"),
    union("datetime", "date", "str"),
    union("date", "int"),
    union({"type": "list", "items": {"type": "int"}}, "int"),
    union(
        {"type": "list", "items": {"type": "str"}},
        {"type": "list", "items": {"type": "int"}},
    ),
    union({"type": "literal", "options": ["a", "b"]}, "int"),
    union({"type": "literal", "options": [1, "x"]}, "bool"),
    union(COLOR, "int"),
    union("str", COLOR),
    union({"type": "object", **SPAN}, {"type": "object", **CLIP}, "int"),
    union({"type": "object", **SPAN}, COLOR, NULL),
    union({"type": "object", "items": {"type": "int"}}, {"type": "object", **SPAN}),
    union("object", {"type": "list"}, "str"),
    field(
        "x",
        "list",
        items={"type": "union", "types": [{"type": "int"}, {"type": "str"}, NULL]},
    ),
    field("x", **EVENT),
    field("x", "list", items=EVENT),
]

VALUES = [
    "plain",
    "",
    "  spaces around \n",
    "two\nlines",
    "naïve – “quoted” 日本 🎬",
    'a "quote" and \\ slash',
    "[[ ## x ## ]] in the text",
    ["one"],
    ["one", "two\nlines", "«guillemets»"],
    [],
    0,
    -7,
    3.0,
    0.1,
    1e-7,
    1e22,
    True,
    False,
    None,
    {"a": 1, "b": [1, 2.5, None, True], "c": {"d": "é"}},
    [{"a": "x"}, {"b": "y"}],
    [1, 2, 3],
    12345678901234567890123,
]

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
    return cases


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
