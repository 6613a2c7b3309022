"""Makes real DSPy signatures and modules out of the project's program files."""

import datetime
import enum
import typing

import dspy
import pydantic

KINDS = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "image": dspy.Image,
    "null": None,
}


def annotation(spec: dict, classes: dict):
    kind = spec.get("type") or "str"
    items = annotation(spec["items"], classes) if spec.get("items") else None
    if kind == "optional":
        return typing.Optional[items]
    if kind == "union":
        return typing.Union[tuple(annotation(t, classes) for t in spec["types"])]
    if kind == "enum":
        name, options = spec["class"], spec["options"]
        if name not in classes:
            members = spec.get("members") or [str(o) for o in options]
            classes[name] = enum.Enum(name, list(zip(members, options)))
        return classes[name]
    if kind == "literal":
        return typing.Literal[tuple(spec["options"])]
    if kind == "list":
        return list if items is None else list[items]
    if kind != "object":
        return KINDS[kind]
    if not spec.get("fields"):
        return dict[str, typing.Any if items is None else items]
    name = spec["class"]
    if name not in classes:
        members = {}
        for f in spec["fields"]:
            extra = {"description": f["desc"]} if f.get("desc") else {}
            members[f["name"]] = (annotation(f, classes), pydantic.Field(**extra))
        classes[name] = pydantic.create_model(name, **members)
    return classes[name]


def signature(spec: dict) -> type[dspy.Signature]:
    classes, fields = {}, {}
    for side, make in (("inputs", dspy.InputField), ("outputs", dspy.OutputField)):
        for f in spec[side]:
            kind = annotation(f, classes)
            extra = {key: f[key] for key in ("desc", "prefix") if f.get(key)}
            if "default" in f:
                value = images(f, f["default"])
                extra["default"] = pydantic.TypeAdapter(kind).validate_python(value)
            fields[f["name"]] = (kind, make(**extra))
    return dspy.Signature(fields, spec.get("instructions") or None)


def images(kind: dict, value):
    """The value of a row with its images as DSPy's."""
    items = kind.get("items")
    if kind.get("type") == "image" and value is not None:
        return dspy.Image(value)
    if kind.get("type") == "optional":
        return images(items, value)
    if isinstance(value, list) and items:
        return [images(items, v) for v in value]
    if isinstance(value, dict):
        members = {f["name"]: f for f in kind.get("fields") or []}
        return {k: images(members.get(k) or items or {}, v) for k, v in value.items()}
    return value


def row(spec: dict, values: dict) -> dict:
    """The values of a row or a demo of a predictor or a program with images as DSPy's."""
    predictors = spec.get("predictors") or [spec]
    kinds = {f["name"]: f for p in predictors for f in p["inputs"]}
    return {k: images(kinds.get(k) or {}, v) for k, v in values.items()}


def predictor(spec: dict) -> dspy.Module:
    cot = spec.get("module") == "chain_of_thought"
    return (dspy.ChainOfThought if cot else dspy.Predict)(signature(spec))


def inner(module: dspy.Module) -> dspy.Predict:
    """The Predict that makes a module's calls."""
    return module.predict if isinstance(module, dspy.ChainOfThought) else module


class Pipeline(dspy.Module):
    """The DSPy module of a program file."""

    def __init__(self, spec: dict):
        super().__init__()
        self._spec = spec
        for p in spec["predictors"]:
            setattr(self, p["name"], predictor(p))

    def forward(self, **values):
        outputs = {}
        for p in self._spec["predictors"]:
            inputs = {}
            for f in p["inputs"]:
                source = p.get("reads", {}).get(f["name"], f["name"])
                if source in values:
                    inputs[f["name"]] = values[source]
            prediction = getattr(self, p["name"])(**inputs)
            for key, value in prediction.items():
                values[key] = values[f"{p['name']}.{key}"] = value
                outputs.pop(key, None)
                outputs[key] = value
        return dspy.Prediction(**outputs)


def program(spec: dict) -> dspy.Module:
    if spec["predictors"][0]["name"] == "self":
        return predictor(spec["predictors"][0])
    return Pipeline(spec)


def plain(value):
    """A value as JSON: instances of classes become dicts, dates become text."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date):
        return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    if isinstance(value, dspy.Image):
        return str(value)
    if isinstance(value, pydantic.BaseModel):
        return {k: plain(v) for k, v in value}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value
