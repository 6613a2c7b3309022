"""A simulated task whose every program has a known worth, and the model that plays it.

A question names a topic and cues an agent. In a world with house rules, questions on some
topics belong to another agent than the cued one, which only an instruction or a demo can
tell. Answers are a fixed function of the question, the instruction and the demos: chances
are known exactly, what is seen of them is noisy.
"""

import hashlib
import json
import random
import re

AGENTS = ["video", "image", "audio", "document", "text"]
CUES = ["clip", "picture", "recording", "page", "note"]
TOPICS = [
    "invoices", "tax", "lectures", "sports", "weather", "birds", "recipes", "travel",
    "history", "chess", "gardens", "music", "physics", "cars", "fashion", "health",
    "markets", "films", "poetry", "space", "robots", "bridges", "oceans", "trains",
]  # fmt: skip
STYLES = [
    "Be concise.", "Think about the medium first.", "You are a librarian.",
    "Lives depend on it.", "Consider what the user wants to see.", "Never guess.",
    "Name the agent and nothing else.", "Weigh every word of the query.",
]  # fmt: skip
START = "Choose the agent that answers the query."
STATED = re.compile(r"Queries on (\w+) belong to (\w+)\.")
QUERY = re.compile(r"query \d+: find a (\w+) on (\w+)")
OUTPUT = re.compile(r"`(?:\[\[ ## )?(\w+)(?: ## \]\])?`")

# What a kind of world is made of. `rules`: share of questions under each house rule.
# `demo`, `style`: mean and spread of what one demo, one phrase does to accuracy.
KINDS = {
    "rules": {
        "rules": [0.14, 0.10, 0.07, 0.05],
        "demo": (0.01, 0.03),
        "style": (0.0, 0.04),
        "base": 0.72,
    },
    "plain": {"rules": [], "demo": (0.01, 0.03), "style": (0.0, 0.04), "base": 0.60},
    "trap": {"rules": [], "demo": (-0.02, 0.03), "style": (-0.03, 0.04), "base": 0.80},
}
DIFFICULTY = 0.30  # a question's chance lies so far above or below the mean
UNTOLD, SHOWN, SHOWN_TWICE, STATED_RULE, MISLED = 0.12, 0.50, 0.65, 0.88, 0.05


def uniform(*parts) -> float:
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


class World:
    def __init__(self, kind: str, seed: int):
        self.name = f"{kind}/{seed}"
        self.kind = KINDS[kind]
        rng = random.Random(self.name)
        topics = TOPICS[:]
        rng.shuffle(topics)
        self.rules = {
            topic: rng.randrange(len(AGENTS))
            for topic, _ in zip(topics, self.kind["rules"])
        }
        self.topics = topics
        self.style = {s: rng.gauss(*self.kind["style"]) for s in STYLES}
        self.helps = {}

    def questions(self, part: str, n: int) -> list[dict]:
        rng = random.Random(f"{self.name}/{part}")
        ruled = list(self.rules)
        shares = self.kind["rules"]
        rows = []
        for i in range(n):
            draw, topic = rng.random(), rng.choice(self.topics[len(ruled) :])
            for name, share in zip(ruled, shares):
                if 0 <= draw < share:
                    topic = name
                draw -= share
            number = {"train": 10000, "val": 20000, "test": 30000}[part] + i
            query = f"query {number}: find a {rng.choice(CUES)} on {topic}"
            rows.append({"query": query, "agent": AGENTS[self.truth(query)]})
        return rows

    def truth(self, query: str) -> int:
        cue, topic = QUERY.search(query).groups()
        return self.rules.get(topic, CUES.index(cue))

    def chance(self, instruction: str, demos: list[str], query: str) -> float:
        """How likely the answer is right; demos are their queries."""
        cue, topic = QUERY.search(query).groups()
        right = AGENTS[self.truth(query)]
        stated = [agent for t, agent in STATED.findall(instruction) if t == topic]
        if stated and stated[-1] != right:
            chance = MISLED
        elif topic in self.rules and self.rules[topic] != CUES.index(cue):
            shown = sum(QUERY.search(d).group(2) == topic for d in demos)
            chance = [UNTOLD, SHOWN, SHOWN_TWICE][min(shown, 2)]
            if stated:
                chance = STATED_RULE
        else:
            chance = self.kind["base"] + (0.05 if stated else 0)
        chance += sum(v for s, v in self.style.items() if s in instruction)
        chance += min(max(sum(map(self.help, demos)), -0.2), 0.2)
        chance += DIFFICULTY * (2 * uniform(self.name, "difficulty", query) - 1)
        return min(max(chance, 0.02), 0.98)

    def help(self, demo: str) -> float:
        """What a demo does to the chances of all questions."""
        if demo not in self.helps:
            rng = random.Random(f"{self.name}/demo/{demo}")
            self.helps[demo] = rng.gauss(*self.kind["demo"])
        return self.helps[demo]

    def optimum(self, train: list[dict], rows: list[dict]) -> float:
        """The worth of all house rules, all good phrases and the four best demos."""
        parts = [START] + [s for s, effect in self.style.items() if effect > 0]
        parts += [
            f"Queries on {t} belong to {AGENTS[a]}." for t, a in self.rules.items()
        ]
        demos = sorted((r["query"] for r in train), key=self.help)[-4:]
        demos = [d for d in demos if self.help(d) > 0]
        return self.worth(" ".join(parts), demos, rows)

    def worth(self, instruction: str, demos: list[str], rows: list[dict]) -> float:
        """Expected accuracy on rows."""
        instruction = " ".join(instruction.split())
        chances = [self.chance(instruction, demos, r["query"]) for r in rows]
        return sum(chances) / len(chances)

    def answer(self, messages: list[dict], rollout) -> str:
        """What the model says: as student, or as the proposer of instructions."""
        request = messages[-1]["content"]
        dice = random.Random(json.dumps([self.name, messages, rollout]))
        asked = OUTPUT.findall(request[request.rindex("Respond with") :])
        field = next(f for f in asked if f != "completed")
        if field == "agent":
            value = self.route(messages)
        elif field == "proposed_instruction":
            value = self.propose(request, dice)
        elif field == "new_instruction":
            current = request.split("[[ ## current_instruction ## ]]")[1]
            value = self.reflect(*current.split("[[ ## ", 1), dice)
        elif field == "observations":
            value = "The queries name " + ", ".join(sorted(self.seen(request))) + "."
        elif field == "summary":
            value = request.split("[[ ## observations ## ]]")[1].split("\n\n")[0]
        else:
            value = f"It routes queries ({field})."
        if "JSON object" in request[request.rindex("Respond with") :]:  # DSPy's GEPA
            return json.dumps({field: value})
        return f"[[ ## {field} ## ]]\n{value}\n\n[[ ## completed ## ]]"

    def route(self, messages) -> str:
        objective = messages[0]["content"].split("your objective is:")[1]
        instruction = " ".join(objective.split())
        asked = [QUERY.search(m["content"]) for m in messages if m["role"] == "user"]
        *demos, query = [m.group() for m in asked]
        luck = uniform(self.name, "luck", instruction, demos, query)
        right, cue = self.truth(query), CUES.index(QUERY.search(query).group(1))
        if luck < self.chance(instruction, demos, query):
            return AGENTS[right]
        return AGENTS[cue if cue != right else (right + 1) % len(AGENTS)]

    @staticmethod
    def seen(text: str) -> set[str]:
        return set(TOPICS) & set(re.findall(r"\w+", text))

    def rule(self, topic: str, dice, wrong: bool) -> str:
        agent = self.rules.get(topic, dice.randrange(len(AGENTS)))
        if wrong:
            agent = (agent + 1 + dice.randrange(len(AGENTS) - 1)) % len(AGENTS)
        return f"Queries on {topic} belong to {AGENTS[agent]}."

    def propose(self, request: str, dice) -> str:
        """Phrases at random; sometimes a house rule, sometimes a false one."""
        parts = [START] + dice.sample(STYLES, dice.randrange(4))
        for topic in sorted(self.seen(request)):
            if topic in self.rules and dice.random() < 0.15:
                parts.append(self.rule(topic, dice, False))
        if dice.random() < 0.15:
            parts.append(self.rule(dice.choice(self.topics), dice, True))
        return " ".join(parts)

    def reflect(self, current: str, shown: str, dice) -> str:
        """Finds a rule in failures, the likelier the more of them show it; and is
        sometimes wrong about a topic that failed for no reason."""
        parts = [current.strip()]
        pieces = re.split(r"(?=query \d+: find a )", shown)
        failed = [p for p in pieces if "is right" not in p or "is wrong" in p]
        topics = [t for _, t in QUERY.findall(" ".join(failed))]
        for topic in sorted(set(topics)):
            if topic in self.rules:
                if dice.random() < (0.45 if topics.count(topic) == 1 else 0.75):
                    parts.append(self.rule(topic, dice, False))
            elif dice.random() < 0.10:
                parts.append(self.rule(topic, dice, True))
        if dice.random() < 0.4:
            parts.append(dice.choice(STYLES))
        return " ".join(parts)
