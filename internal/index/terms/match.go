package terms

import "slices"

// Matches reports whether a text has any phrase of a query.
func Matches(query []Phrase, text string) bool {
	if len(query) == 0 || text == "" {
		return false
	}
	return slices.Contains(Found(query, text), true)
}

// Found tells for each phrase of a query whether any of the texts has it.
func Found(query []Phrase, texts ...string) []bool {
	found := make([]bool, len(query))
	var tokens []Token
	for _, text := range texts {
		tokens = tokens[:0]
		Tokens(text, func(t Token) { tokens = append(tokens, t) })
		for i, p := range query {
			found[i] = found[i] || has(tokens, p.Terms)
		}
	}
	return found
}

func has(tokens []Token, phrase []string) bool {
	for at := range tokens {
		if begins(tokens[at:], phrase) {
			return true
		}
	}
	return false
}

// begins reports whether tokens begin with the terms of a phrase, next to each other.
func begins(tokens []Token, phrase []string) bool {
	if len(tokens) < len(phrase) {
		return false
	}
	for i, term := range phrase {
		if tokens[i].Text != term || i > 0 && !tokens[i].Joined {
			return false
		}
	}
	return true
}
