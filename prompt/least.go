package prompt

import "unicode"

// LeastTokens is a lower bound of the tokens of the texts of messages: tokenizers split a
// text between words, so a token has letters of one word at most. A server that counts fewer
// has read a part of the prompt only, as Ollama does with a prompt longer than num_ctx, or does
// not count cached tokens.
func LeastTokens(messages []Message) (n int) {
	for _, m := range messages {
		n += words(m.Content)
		for _, p := range m.Parts {
			n += words(p.Text)
		}
	}
	return n * leastShare / 100
}

// leastShare is the share of words that counts, in percent: vocabularies have a few tokens of
// several words, such as names of domains.
const leastShare = 80

// words counts the runs of letters.
func words(text string) (n int) {
	within := false
	for _, r := range text {
		letter := unicode.IsLetter(r) || unicode.IsMark(r)
		if letter && !within {
			n++
		}
		within = letter
	}
	return n
}
