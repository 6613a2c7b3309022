package card

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// table writes the rows that have a value.
func table(b *strings.Builder, title string, rows [][2]string) {
	fmt.Fprintf(b, "## %s\n\n| | |\n|---|---|\n", title)
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(b, "| %s | %s |\n", plainText(row[0]), plainText(row[1]))
		}
	}
	b.WriteString("\n")
}

// plainText escapes everything that Markdown or HTML would interpret, including bare
// addresses and line breaks. It is for the middle of a line.
func plainText(s string) string {
	const most = 2000 // characters; legitimate texts of a card are shorter
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if n++; n > most {
			return b.String() + "…"
		}
		switch {
		case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf):
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*_{}[]<>#|!&~$@", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.NewReplacer("://", `\://`, "www.", `www\.`, "WWW.", `WWW\.`).Replace(b.String())
}

// quoted is a text that YAML, Python and JSON all read as a string.
func quoted(s string) string {
	text, err := json.Marshal(strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		return `""`
	}
	return strings.ReplaceAll(string(text), "`", `\u0060`)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 5, 64) }

func optional(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
