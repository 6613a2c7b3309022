package prompt

import "strings"

// thinking lists the marks of thoughts before an answer: those of DeepSeek, Qwen and most others;
// of fine-tunes; of Mistral; and gpt-oss's channels.
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

// Spoken returns an answer without the thoughts before it. A server without a reasoning parser
// leaves thoughts in the text, where they would be read as fields of the answer. Many chat
// templates contain the begin mark, so that the text has only the end mark. An answer that was
// cut off within a thought is empty.
func Spoken(text string) string {
	for {
		rest, found := afterThought(strings.TrimLeft(text, " \t\r\n"))
		if !found {
			return text
		}
		text = rest
	}
}

// afterThought returns the text after the thought that a text begins with.
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
