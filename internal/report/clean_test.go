package report

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"plain":      {"a red bus", "a red bus"},
		"empty":      {"", ""},
		"blank":      {" \n\t ", ""},
		"lines":      {"one\r\ntwo\u2028three\u00a0four", "one two three four"},
		"nul":        {"a\x00b\x1b[31mc\x7f", "abc"},
		"override":   {"movie\u202egpj.mp4\u2066x\u2069\u200f", "moviegpj.mp4x"},
		"invisible":  {"a\u200bb\ufeffc\u00adde\U000e0041", "abcde"},
		"private":    {"a\ue000b", "ab"},
		"bad bytes":  {"a\xffb", "a\ufffdb"},
		"html stays": {"<b>&amp;", "<b>&amp;"},
		"arabic":     {"مرحبا بالعالم", "مرحبا بالعالم"},
		"joiner":     {"👩\u200d👧", "👩\u200d👧"},
		"accents":    {"Z" + strings.Repeat("\u0301", 50) + "a\u0308", "Z" + strings.Repeat("\u0301", 3) + "a\u0308"},
		"long":       {strings.Repeat("é", 50), strings.Repeat("é", 19) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, Clean(c.in, 20))
		})
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/home/ann/a?b.mp4":                    "/home/ann/a?b.mp4",
		"file:///home/ann/a@b.mp4":             "file:///home/ann/a@b.mp4",
		"https://ann:pw@host/a.mp4?sig=secret": "https://host/a.mp4?…",
		"s3://key:se@cret@bucket/a@b.mp4":      "s3://bucket/a@b.mp4",
		"https://ann:pw@host":                  "https://host",
		"":                                     "",
	} {
		assert.Equal(t, want, Place(in))
	}
	long := Place("/" + strings.Repeat("x/", 400) + "end.mp4")
	assert.Equal(t, MaxName, utf8.RuneCountInString(long))
	assert.True(t, strings.HasSuffix(long, "x/end.mp4"), long)
	assert.Equal(t, "a.mp4", Base(Place("https://host/a.mp4?sig=secret")))
	assert.Equal(t, "videos", Base("/home/videos/"))
	assert.Empty(t, Base("/"))
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a\x00b", "\u202e", "<script>", "\xff\xfe", "Z\u0301\u0301\u0301\u0301", strings.Repeat("é", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{Clean(s, 40), CleanPath(s, 40)} {
			require.True(t, utf8.ValidString(out))
			require.LessOrEqual(t, utf8.RuneCountInString(out), 40)
			require.Equal(t, strings.TrimLeft(out, " "), out)
			for _, r := range out {
				require.True(t, unicode.IsGraphic(r) || r == '\u200d' || r == '\u200c', "%U", r)
				require.True(t, r == ' ' || !unicode.IsSpace(r), "%U", r)
			}
		}
		require.Equal(t, Clean(s, 1<<20), Clean(Clean(s, 1<<20), 1<<20), "cleaning twice changes nothing")
		require.LessOrEqual(t, utf8.RuneCountInString(Place(s)), MaxName)
	})
}
