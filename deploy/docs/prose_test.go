package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxWords is the maximum length of a sentence.
const maxWords = 30

var (
	// private are phrases for which the field has a standard term.
	private = regexp.MustCompile(`(?i)\b(stands? (in|there)|somebody|nobody|mend(s|ed)?|honest|wants? (to be )?[` + "`" + `-]|is none|is no |` +
		`hands it|gives up its|so many are|whoever has|at work|begun again at|leave it alone|hostile)`)
	linkText    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	sentenceEnd = regexp.MustCompile(`[.!?:;]["')*]*(\s|$)`)
	listItem    = regexp.MustCompile(`^([-*]|\d+\.) `)
)

// prosePages are the pages with checked prose. Decisions and measurements are not checked,
// because they are records of their time.
func prosePages(t *testing.T) (pages []string) {
	t.Helper()
	for _, page := range manual(t) {
		if page == "README.md" || strings.HasPrefix(page, "docs/") && !strings.HasPrefix(page, "docs/decisions/") &&
			!strings.HasPrefix(page, "docs/benchmarks/") && !strings.HasPrefix(page, "docs/reference/") {
			pages = append(pages, page)
		}
	}
	return pages
}

// TestPlainWords: pages use the field's terms, and so do help texts, keys and fields, from which the
// reference is generated.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	pages := prosePages(t)
	for _, page := range manual(t) {
		if strings.HasPrefix(page, "docs/reference/") {
			pages = append(pages, page)
		}
	}
	for _, page := range pages {
		d := readPage(t, page)
		text := linkText.ReplaceAllString(d.text, "$1")
		for _, b := range d.blocks {
			text += b.text
		}
		if found := private.FindAllString(text, -1); found != nil {
			t.Errorf("%s: write the standard term in place of %q", page, found)
		}
	}
}

// TestSentences: sentences are short.
func TestSentences(t *testing.T) {
	t.Parallel()
	for _, page := range prosePages(t) {
		text := linkText.ReplaceAllString(readPage(t, page).text, "$1")
		for _, paragraph := range paragraphs(inlineCode.ReplaceAllString(text, "code")) {
			for _, sentence := range sentenceEnd.Split(paragraph, -1) {
				if n := len(strings.Fields(sentence)); n > maxWords {
					t.Errorf("%s: a sentence of %d words (at most %d): %s", page, n, maxWords, sentence)
				}
			}
		}
	}
}

// paragraphs splits a page into paragraphs, list items and table cells.
func paragraphs(text string) (all []string) {
	var open string
	end := func() {
		if open != "" {
			all = append(all, open)
		}
		open = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			end()
		case strings.HasPrefix(line, "|"):
			end()
			all = append(all, strings.Split(line, "|")...)
		case listItem.MatchString(line):
			end()
			open = line
		default:
			open += " " + line
		}
	}
	end()
	return all
}

// TestReadmeLength: the README fits into a few screens and names both commands.
func TestReadmeLength(t *testing.T) {
	t.Parallel()
	page := readPage(t, "README.md")
	lines := strings.Count(page.text, "\n")
	for _, b := range page.blocks {
		lines += strings.Count(b.text, "\n") + 2
	}
	require.LessOrEqual(t, lines, 150)
	require.Contains(t, page.blocks[1].text, "make test")
	require.Contains(t, page.blocks[1].text, "make demo")
}
