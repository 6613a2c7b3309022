package safetext_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/safetext"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                    "",
		"a plain text":                        "a plain text",
		" a\n\tb \r\n c ":                     "a b c",
		"broken \xff\xc3 bytes":               "broken �� bytes",
		"\x1b[31mred\x1b[0m \x1b[2J\x1b[1;1H": "red",
		"\x1b]0;title\x07text":                "text",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1b]0;no end":                     "0;no end",
		"\u009b31mred \u009d0;t\u009cx":     "red x",
		"\x1b(Bascii \x1bcreset \x1b":       "ascii reset",
		"beep\a back\b\b\b del\x7f nul\x00": "beep back del nul",
		"gpj.\u202eexe\u2066x\u2069\u200f":  "gpj.exex",
		"in\u200bvi\ufeffsible\u2060\u00ad": "invisible",
		"line\u2028sep\u2029x\u0085y":       "line sep x y",
		"می\u200cخواهم":                     "می\u200cخواهم",
		"👩\u200d👩\u200d👧 🇩🇪":                "👩\u200d👩\u200d👧 🇩🇪",
		"Z" + strings.Repeat("\u0301", 500): "Z\u0301\u0301\u0301",
		"日本語 ไทย":                           "日本語 ไทย",
	} {
		assert.Equal(t, want, safetext.Line(in, 100), "%q", in)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "a\n\t  b\nc\nd", safetext.Lines("a\r\n\t  b\rc\nd\x1b[K", 100), "a lone carriage return must not overwrite")
}

// TestCut: the cut is at a character as people see it, is marked, and the mark
// is within the limit.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abcde…"},
		{"ääääääää", 6, "äääää…"},
		{strings.Repeat("e\u0301", 4), 6, "e\u0301e\u0301…"},
		{"ab👩\u200d👩\u200d👧xyz", 6, "ab…"},
		{"a🇩🇪🇫🇷🇮🇹", 5, "a🇩🇪…"},
		{"word another", 6, "word…"},
	} {
		assert.Equal(t, c.want, safetext.Line(c.in, c.limit), "%q", c.in)
	}
	assert.Equal(t, "…fg", safetext.Tail("abcdefg", 3))
	assert.Equal(t, "ab…fgh", safetext.Middle("abcdefgh-abcdefgh", 6))
	assert.Equal(t, "short", safetext.Middle("short", 6))
}

// check is what all outcomes have to be, of whatever text.
func check(t *testing.T, out string, limit int) {
	t.Helper()
	require.True(t, utf8.ValidString(out), "%q", out)
	require.LessOrEqual(t, utf8.RuneCountInString(out), limit, "%q", out)
	for _, r := range out {
		require.False(t, unicode.IsControl(r) && r != '\n' && r != '\t', "%q", out)
		require.False(t, unicode.Is(unicode.Bidi_Control, r), "%q", out)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "abc", "\x1b[31mred", "\xff\xfe", "é👩\u200d👧", "\u202e", "\x1b]0;x\x07", strings.Repeat("Z\u0301", 40), "\u009b\u009d"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0x7fffffff)%600
		line := safetext.Line(s, limit)
		check(t, line, limit)
		require.NotContains(t, line, "\n")
		require.Equal(t, line, safetext.Line(line, limit), "what is clean stays")
		check(t, safetext.Lines(s, limit), limit)
		check(t, safetext.Tail(s, limit), limit)
		if limit > 4 {
			check(t, safetext.Middle(s, limit), limit)
		}
		r := safetext.NewRedactor([]string{"sk-0123456789abcdef"}, []string{"http://vlm.example.com:8000/v1"})
		check(t, r.Line(s, limit), limit)
		check(t, r.Reply(s, limit), limit)
	})
}
