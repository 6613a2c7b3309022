"""Fields, signatures and types of the conformance cases."""


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
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNg"
    "AAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
REMOTE = 'https://example.com/photo.png?size=2&name="é"'
IMAGE = {"type": "image"}
NULL = {"type": "null"}


def union(*types):
    return field(
        "x", "union", types=[t if isinstance(t, dict) else {"type": t} for t in types]
    )


def optional(kind, **more):
    return field("x", "optional", items={"type": kind, **more})


# An output of every type, with valid, unusual and invalid answers.
TYPES = [
    field("x", "str"),
    field("x", "int"),
    field("x", "float"),
    field("x", "bool"),
    field("x", "literal", options=["yes", "no", "it's", 'say "hi"']),
    field("x", "literal", options=[1, 2, 3]),
    field("x", "literal", options=[True, "maybe", 7]),
    field("x", "literal", options=["only"]),
    field("x", "literal", options=[-1, 0, 10]),
    field("x", "list", items={"type": "literal", "options": [1, 2, 3]}),
    field("x", "object", items={"type": "literal", "options": [1, 2, 3]}),
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
    optional("literal", options=[1, 2, 3]),
    optional(**{"kind": "enum", **{k: v for k, v in LEVEL.items() if k != "type"}}),
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

# Outputs with defaults.
DEFAULTS = [
    field("a", "int", default=5),
    field("b", default="none"),
    field("c", default="red", **COLOR),
    field("d", "literal", options=[1, 2], default=2),
    field("e", "optional", items={"type": "str"}, default="x"),
    field("f", "optional", items={"type": "int"}, default=None),
    field("g", "list", items={"type": "str"}, default=["y", "z"]),
    field("h", "date", default="2026-01-02"),
    field("i", "object", default={"start": 1, "end_time": 2.5}, **SPAN),
    field("j", "bool", default=False),
    field("k", "union", types=[{"type": "int"}, {"type": "str"}], default=1.0),
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
