package prompt

import "strings"

// thinking lists how models mark what they think before they answer: DeepSeek, Qwen and
// most others; the names that fine-tunes use; Mistral's; gpt-oss's channels.
func thinking() [][2]string {
	return [][2]string{
		{"<think>", "</think>"},
		{"<thinking>", "</thinking>"},
		{"<thought>", "</thought>"},
		{"<reasoning>", "</reasoning>"},
		{"<reflection>", "</reflection>"},
		{"[THINK]", "[/THINK]"},
		{"<|begin_of_thought|>", "<|end_of_thought|>"},
		{"<seed:think>", "</seed:think>"},
		{"◁think▷", "◁/think▷"},
		{"<|channel|>analysis<|message|>", "<|channel|>final<|message|>"},
	}
}

// Spoken is an answer without what the model thought first. A server that is not told to
// keep thoughts apart leaves them in the text, where they would be read as fields of the
// answer. Many templates open the thought themselves, so that the text has its end only.
// An answer that was cut off within a thought says nothing.
func Spoken(text string) string {
	for {
		rest, found := afterThought(strings.TrimLeft(text, " \t\r\n"))
		if !found {
			return text
		}
		text = rest
	}
}

// afterThought is what follows the thought that a text begins with.
func afterThought(text string) (rest string, found bool) {
	for _, mark := range thinking() {
		begin, end := mark[0], mark[1]
		thought, opened := strings.CutPrefix(text, begin)
		if opened {
			_, rest, ended := strings.Cut(thought, end)
			if !ended {
				return "", true
			}
			return strings.TrimLeft(rest, " \t\r\n"), true
		}
		before, rest, ended := strings.Cut(text, end)
		if ended && !strings.Contains(before, begin) {
			return strings.TrimLeft(rest, " \t\r\n"), true
		}
	}
	return text, false
}
