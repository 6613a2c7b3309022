package terms

import "slices"

// Matches reports whether a text has any phrase of a query.
func Matches(query []Phrase, text string) bool {
	if len(query) == 0 || text == "" {
		return false
	}
	var tokens []Token
	Tokens(text, func(t Token) { tokens = append(tokens, t) })
	return slices.ContainsFunc(query, func(p Phrase) bool {
		for at := range tokens {
			if begins(tokens[at:], p.Terms) {
				return true
			}
		}
		return false
	})
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
