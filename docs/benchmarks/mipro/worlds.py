"""Nine more simulated tasks, of kinds that world.py does not have, with one model to play them.

An item is named by its number and topic. A predictor's answer on it is right with a chance
that instruction, demos and item decide, and is a fixed function of them. So every program's
worth is known.
"""

import json
import random
import re

from world import OUTPUT, TOPICS, uniform

ITEM = re.compile(r"item (\d{5}) on (\w+)")
STATED = re.compile(r"On (\w+) mind case (\d+)\.")
SENTENCES = [
    "Be concise.", "Think step by step.", "You are an expert.", "Lives depend on it.",
    "Never guess.", "Read the item twice.", "Prefer the common case.", "Name nothing else.",
    "Weigh every word.", "Ask what the user wants.", "Rule out two alternatives first.",
    "Use the past tense.", "Mention the topic.", "Trust the wording.",
]  # fmt: skip
SHORT = "Answer in two words at most."

# chance of an item without help; sentences: how many, mean and spread of their effects;
# demo: mean and spread of any demo's effect; alike: of the first and the second demo of an item's class,
# and of each of another class. rules: topics with a hidden rule, and the share of all items
# that they are; told: without, with one, two demos, with the rule. says: how likely
# a proposal, a reflection on one failure, on several, state a rule; false: a false one.
USUAL = {
    "base": 0.65, "sentences": (8, 0.0, 0.04), "demo": (0.01, 0.03), "alike": (0, 0, 0),
    "rules": (0, 0), "told": (0.15, 0.5, 0.65, 0.9), "says": (0.15, 0.45, 0.75), "false": 0.1,
    "classes": 5, "noise": 0.0, "pairs": 0, "long": (9, 0.0), "steps": ["solve"], "kind": "exact",
}  # fmt: skip
KINDS = {
    "router": {"base": 0.5, "sentences": (14, 0.0, 0.06), "alike": (0.14, 0.06, -0.01)},
    "classes150": {
        "base": 0.7, "classes": 150, "rules": (12, 0.5), "told": (0.3, 0.6, 0.7, 0.9),
        "sentences": (8, 0.0, 0.03), "demo": (0.0, 0.02),
    },
    "extraction": {"base": 0.6, "kind": "fields", "alike": (0.05, 0.02, 0), "rules": (3, 0.3)},
    "retrieval": {"base": 0.6, "kind": "f1", "sentences": (8, 0.0, 0.03)},
    "chain": {
        "base": 0.78, "steps": ["plan", "look_up", "solve"], "rules": (3, 0.3),
        "sentences": (8, 0.0, 0.03), "demo": (0.005, 0.02),
    },
    "conflicts": {
        "base": 0.55, "sentences": (12, 0.03, 0.05), "pairs": 4, "long": (4, 0.03),
        "demo": (0.0, 0.02),
    },
    "noisy": {"noise": 0.25, "rules": (3, 0.3)},
    "feedback": {
        "rules": (5, 0.5), "says": (0.0, 0.7, 0.9), "sentences": (8, 0.0, 0.02),
        "demo": (0.0, 0.01), "told": (0.15, 0.25, 0.3, 0.9),
    },
    "no demos": {"base": 0.6, "demo": (0.0, 0.0), "sentences": (10, 0.01, 0.06)},
}  # fmt: skip
FIELDS = ["day", "sum", "payer"]


class Task:
    def __init__(self, kind: str, seed: int):
        self.name, self.kind = f"{kind}/{seed}", USUAL | KINDS[kind]
        rng = random.Random(self.name)
        self.topics = rng.sample(TOPICS, len(TOPICS))
        number, mean, spread = self.kind["sentences"]
        self.sentences = SENTENCES[:number]
        self.effects = {
            (step, s): rng.gauss(mean, spread)
            for step in self.kind["steps"]
            for s in self.sentences
        }
        if self.kind["kind"] == "f1":
            self.sentences = [*self.sentences, SHORT]
        order = rng.sample(self.sentences, len(self.sentences))
        self.pairs = [order[2 * i : 2 * i + 2] for i in range(self.kind["pairs"])]
        self.rules = {t: rng.randrange(9) for t in self.topics[: self.kind["rules"][0]]}
        self.outputs = FIELDS if self.kind["kind"] == "fields" else ["answer"]
        self.starts = {s: f"Do the step {s}." for s in self.kind["steps"]}
        self.program = {"name": "task", "predictors": self.predictors()}
        self.helps = {}

    def predictors(self) -> list[dict]:
        made, inputs = [], [{"name": "query"}]
        for step in self.kind["steps"]:
            names = self.outputs if step == "solve" else [f"{step}_result"]
            outputs = [{"name": n} for n in names]
            made.append(
                {"name": step, "instructions": self.starts[step], "inputs": inputs, "outputs": outputs}
            )  # fmt: skip
            inputs = [{"name": "query"}, outputs[0]]
        return made

    @property
    def metric(self) -> dict:
        if self.kind["kind"] == "fields":
            return {"kind": "mean", "parts": [{"kind": "exact", "field": f} for f in FIELDS]}  # fmt: skip
        return {"kind": "f1" if self.kind["kind"] == "f1" else "exact", "field": "answer"}  # fmt: skip

    def questions(self, part: str, n: int) -> list[dict]:
        rng = random.Random(f"{self.name}/{part}")
        ruled, share = list(self.rules), self.kind["rules"][1]
        rows = []
        for i in range(n):
            among = ruled if rng.random() < share else self.topics[len(ruled) :]
            number = {"train": 10000, "val": 20000, "test": 30000}[part] + i
            query = f"item {number} on {rng.choice(among)}"
            row = {"query": query} | {f: self.truth(query, f) for f in self.outputs}
            if part != "test" and rng.random() < self.kind["noise"]:
                row = {"query": query} | {f: self.wrong(query, f) for f in self.outputs}
            rows.append(row)
        return rows

    def label(self, query: str) -> int:
        number, topic = ITEM.search(query).groups()
        wide = max(self.kind["classes"] // len(TOPICS), 1)  # labels of one topic
        draw = int(uniform(self.name, "label", number) * 1e6)
        if self.kind["classes"] > len(TOPICS):
            return TOPICS.index(topic) * wide + draw % wide
        return draw % self.kind["classes"]

    def truth(self, query: str, field: str) -> str:
        return f"{field} c{self.label(query)}"

    def wrong(self, query: str, field: str) -> str:
        return f"other d{(self.label(query) + 1) % self.kind['classes']}"

    def help(self, step: str, demo: str) -> float:
        if (step, demo) not in self.helps:
            rng = random.Random(f"{self.name}/{step}/{demo}")
            self.helps[step, demo] = rng.gauss(*self.kind["demo"])
        return self.helps[step, demo]

    def chance(self, step, instruction, demos, query, field="") -> float:
        """How likely a step is right on an item, if the step before was; demos are their items."""
        topic, kind = ITEM.search(query).group(2), self.kind
        stated = [int(case) for t, case in STATED.findall(instruction) if t == topic]
        ruled = topic in self.rules and step == kind["steps"][0]
        if stated and stated[-1] != self.rules.get(topic):
            chance = 0.05
        elif ruled:
            shown = sum(ITEM.search(d).group(2) == topic for d in demos)
            chance = kind["told"][3 if stated else min(shown, 2)]
        else:
            chance = kind["base"]
        said = [s for s in self.sentences if s in instruction]
        chance += sum(self.effects.get((step, s), 0) for s in said)
        chance -= 0.2 * sum(a in said and b in said for a, b in self.pairs)
        most, each = kind["long"]
        chance -= each * max(len(said) - most, 0)
        alike = sum(self.label(d) == self.label(query) for d in demos)
        first, second, other = kind["alike"]
        chance += [0, first, first + second][min(alike, 2)] + other * (len(demos) - alike)  # fmt: skip
        chance += min(max(sum(self.help(step, d) for d in demos), -0.2), 0.2)
        chance += 0.3 * (2 * uniform(self.name, "difficulty", step, field, query) - 1)
        return min(max(chance, 0.02), 0.98)

    def padded(self, instruction: str, demos) -> bool:
        """Long answers: right ones have half of the words for nothing. Two demos show how short they are."""
        return SHORT not in instruction and len(demos) < 2

    def worth(self, state: list[tuple[str, list[str]]], rows: list[dict]) -> float:
        """Expected score of a program: instruction and demos of each predictor."""
        total = 0.0
        for row in rows:
            for field in self.outputs:
                right = 1.0
                for step, (instruction, demos) in zip(self.kind["steps"], state):
                    instruction = " ".join(instruction.split())
                    right *= self.chance(step, instruction, demos, row["query"], field)
                if self.kind["kind"] == "f1" and self.padded(*state[-1]):
                    right *= 0.5
                total += right / len(self.outputs)
        return total / len(rows)

    def default(self) -> list[tuple[str, list[str]]]:
        return [(self.starts[s], []) for s in self.kind["steps"]]

    def score(self, example, prediction) -> float:
        scores = []
        for field in self.outputs:
            want, got = str(example[field]).split(), str(prediction[field]).split()
            if self.kind["kind"] == "f1":
                same = len(set(want) & set(got))
                scores.append(2 * same / (len(want) + len(got)) if same else 0.0)
            else:
                scores.append(float(want == got))
        return sum(scores) / len(scores)

    def feedback(self, example, prediction) -> str:
        lines = []
        for field in self.outputs:
            want, got = example[field], prediction[field]
            state = "right" if want == got else "wrong"
            lines.append(f"{field} is {state}: expected {want!r}, got {got!r}.")
        return "\n".join(lines)

    def answer(self, messages: list[dict], rollout) -> str:
        """What the model says: as student, or as the proposer of instructions."""
        request = messages[-1]["content"]
        dice = random.Random(repr([self.name, messages, rollout]))
        asked = OUTPUT.findall(request[request.rindex("Respond with") :])
        fields = [f for f in asked if f != "completed"]
        if fields[0] in self.outputs or fields[0].endswith("_result"):
            return self.play(messages, fields)
        if fields[0] == "proposed_instruction":
            value = self.propose(request, dice)
        elif fields[0] == "new_instruction":
            current = request.split("[[ ## current_instruction ## ]]")[1]
            current, shown = current.split("[[ ## ", 1)
            value = self.reflect(current, shown, dice)
        elif fields[0] == "summary":
            value = request.split("[[ ## observations ## ]]")[1].split("\n\n")[0]
        else:
            seen = sorted(set(TOPICS) & set(re.findall(r"\w+", request)))
            value = f"The items are on {', '.join(seen)} ({fields[0]})."
        if "JSON object" in request[request.rindex("Respond with") :]:  # DSPy's GEPA
            return json.dumps({fields[0]: value})
        return f"[[ ## {fields[0]} ## ]]\n{value}\n\n[[ ## completed ## ]]"

    def play(self, messages, fields) -> str:
        objective = messages[0]["content"].split("your objective is:")[1]
        instruction = " ".join(objective.split())
        *demos, query = [
            ITEM.search(m["content"]).group() for m in messages if m["role"] == "user"
        ]
        step = next((s for s in self.kind["steps"] if fields[0] == f"{s}_result"), "solve")  # fmt: skip
        parts = []
        for field in fields:
            named = field if len(fields) > 1 else "answer"
            luck = uniform(self.name, "luck", step, named, instruction, demos, query)
            right = luck < self.chance(step, instruction, demos, query, named)
            if "other d" in messages[-1]["content"]:  # a step before was wrong
                right = False
            value = self.truth(query, field) if right else self.wrong(query, field)
            if self.kind["kind"] == "f1" and self.padded(instruction, demos):
                value += " as far as known"
            parts.append(f"[[ ## {field} ## ]]\n{value}")
        return "\n\n".join([*parts, "[[ ## completed ## ]]"])

    def rule(self, topic: str, dice, wrong: bool) -> str:
        case = self.rules.get(topic, dice.randrange(9))
        if wrong:
            case = (case + 1 + dice.randrange(8)) % 9
        return f"On {topic} mind case {case}."

    def propose(self, request: str, dice) -> str:
        start = next(s for s in self.starts.values() if s in request.split("basic_instruction")[-1])  # fmt: skip
        parts = [start] + dice.sample(self.sentences, dice.randrange(4))
        for topic in sorted(set(self.rules) & set(re.findall(r"\w+", request))):
            if dice.random() < self.kind["says"][0]:
                parts.append(self.rule(topic, dice, False))
        if dice.random() < self.kind["says"][0]:
            parts.append(self.rule(dice.choice(self.topics), dice, True))
        return " ".join(parts)

    def reflect(self, current: str, shown: str, dice) -> str:
        """Finds rules in failures, and adds or takes away a sentence."""
        parts = re.findall(r"[^.]+\.", " ".join(current.split()))
        pieces = re.split(r"(?=item \d{5} on )", shown)
        failed = [ITEM.search(p).group(2) for p in pieces if ITEM.match(p) and self.fails(p)]  # fmt: skip
        for topic in sorted(set(failed)):
            if topic in self.rules:
                if (
                    dice.random()
                    < self.kind["says"][1 if failed.count(topic) == 1 else 2]
                ):
                    parts.append(self.rule(topic, dice, False))
            elif dice.random() < self.kind["false"]:
                parts.append(self.rule(topic, dice, True))
        if dice.random() < 0.4:
            parts.append(dice.choice(self.sentences))
        if len(parts) > 3 and dice.random() < 0.3:
            parts.pop(dice.randrange(1, len(parts)))
        return " ".join(dict.fromkeys(p.strip() for p in parts))

    def fails(self, piece: str) -> bool:
        """Whether a shown example failed; reflections that are told failures only say nothing of it."""
        return "is right" not in piece or "is wrong" in piece
