package cli

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// shares are how many cells of a line its name, its bar and its text take.
type shares struct{ name, bar, text int }

const (
	maxName, minName = 28, 8
	maxBar, minBar   = 30, 4
	between          = 5 // the spaces between them, and the last cell, where some terminals wrap
)

// share divides a line of a terminal. The bar has at least its share, and what the text leaves.
func share(total int) shares {
	s := shares{name: min(maxName, max(minName, total/4)), bar: min(maxBar, max(minBar, total/8))}
	s.text = max(0, total-s.name-s.bar-between)
	return s
}

// shorten leaves out the last parts of a text, then cuts, until it fits. What matters
// most comes first in a text.
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
