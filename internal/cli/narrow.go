package cli

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// shares are the cells of a line for its name, its bar and its text.
type shares struct{ name, bar, text int }

const (
	maxName, minName = 28, 8
	maxBar, minBar   = 30, 4
	between          = 5 // spaces between them, and the last cell, at which some terminals wrap
)

// share divides the cells of a line. The bar also gets the cells that the text does not use.
func share(total int) shares {
	s := shares{name: min(maxName, max(minName, total/4)), bar: min(maxBar, max(minBar, total/8))}
	s.text = max(0, total-s.name-s.bar-between)
	return s
}

// shorten removes the last parts of a text, then cuts it, until it fits. The most important
// parts of a text are first.
func shorten(s string, cells int) string {
	for text.StringWidthWithoutEscSequences(s) > cells {
		end := max(strings.LastIndex(s, ", "), strings.LastIndex(s, "; "))
		if end < 0 || strings.Count(s[:end], "(") > strings.Count(s[:end], ")") {
			return text.Snip(s, cells, "…")
		}
		s = s[:end]
	}
	return s
}
