package subtitles

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"

	"github.com/cogniverse/cogflow/video"
)

const srt = "1\n00:00:00,500 --> 00:00:01,500\nDie <i>Grüße</i>,\nschön.\n\n2\n00:00:02,000 --> 00:00:03,250 X1:0\n{\\an8}Nobody &amp; no one.\n"

func greetings() []video.Segment {
	return []video.Segment{{StartMS: 500, EndMS: 1500, Text: "Die Grüße, schön."}, {StartMS: 2000, EndMS: 3250, Text: "Nobody & no one."}}
}

func wideText(text string, high, low int) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b := [2]byte{byte(u), byte(u >> 8)}
		out = append(out, b[high], b[low])
	}
	return string(out)
}

// TestEncodings: whatever program wrote a file, its words are the same.
func TestEncodings(t *testing.T) {
	t.Parallel()
	latin := strings.NewReplacer("ü", "\xfc", "ß", "\xdf", "ö", "\xf6").Replace(srt)
	for name, text := range map[string]string{
		"UTF-8": srt, "byte order mark": "\ufeff" + srt, "Latin-1": latin, "CRLF": strings.ReplaceAll(srt, "\n", "\r\n"),
		"CR": strings.ReplaceAll(srt, "\n", "\r"), "UTF-16LE": wideText("\ufeff"+srt, 0, 1), "UTF-16BE": wideText("\ufeff"+srt, 1, 0),
		"UTF-16 without a mark": wideText(srt, 0, 1), "no empty lines": strings.ReplaceAll(srt, "\n\n", "\n"),
		"no numbers": strings.NewReplacer("1\n00", "00", "2\n00", "00").Replace(srt), "spaces": strings.ReplaceAll(srt, "\n\n", "\n \t\n\n\n"),
		"WebVTT": "WEBVTT - a title\n\nNOTE\nnothing\n\n" + strings.ReplaceAll(srt, ",500", ".500"), "short times": strings.ReplaceAll(srt, "00:00:0", "0:0"),
	} {
		out, err := Read([]byte(text), "", 0)
		require.NoError(t, err, name)
		require.Equal(t, greetings(), out, name)
	}
	out, err := Read([]byte("1\n00:00:01,000 --> 00:00:02,000\n\xcf\xf0\xe8\xe2\xe5\xf2\n"), "ru", 0)
	require.NoError(t, err)
	require.Equal(t, "Привет", out[0].Text)
	long, err := Read([]byte("1\n00:00:01,000 --> 00:00:02,000\nPrice: 5 \x80, \x93caf\xe9\x94\n"), "", 0)
	require.NoError(t, err)
	require.Equal(t, "Price: 5 €, “café”", long[0].Text)
}

// TestRefused: a file that cannot be read whole says why, and where.
func TestRefused(t *testing.T) {
	t.Parallel()
	one := "1\n00:00:00,500 --> 00:00:01,500\nhi\n\n"
	for name, c := range map[string]struct{ text, want string }{
		"binary":             {"\x7fELF\x02\x01\x01\x00\x00\x00\x00", "not a text file"},
		"a picture":          {"\xff\xd8\xff\xe0\x00\x10JFIF", "not a text file"},
		"a page":             {"<html>404 Not Found</html>", "no cue"},
		"words only":         {"Mind the gap.\n", "no cue"},
		"Cyrillic":           {"1\n00:00:01,000 --> 00:00:02,000\n\xcf\xf0\xe8\xe2\xe5\xf2\n", "convert it to UTF-8"},
		"damaged UTF-8":      {strings.Replace(srt, "schön", "sch\xf6n", 1), "line 4 is not valid UTF-8"},
		"cut in a character": {one + "2\n00:00:02,000 --> 00:00:03,000\nGrüße, Gr\xc3", "line 7 is not valid UTF-8"},
		"cut UTF-16":         {wideText("\ufeff"+srt, 0, 1) + "x", "was cut"},
		"cut at a number":    {one + "2\n", "was cut"},
		"cut in a time":      {one + "2\n00:00:0", "was cut"},
		"cut in the end":     {one + "2\n00:00:03,000 --> 00:0", "was cut"},
		"cut before the end": {one + "2\n00:00:02,000 --> 00:", "line 6 is not a time"},
		"another arrow":      {one + "2\n00:00:02,000 -> 00:00:03,000\nhi", "line 6 is not a time"},
		"negative":           {one + "2\n-00:00:02,000 --> 00:00:03,000\nhi", "line 6 is not a time"},
		"large":              {strings.Repeat(one, MaxBytes/len(one)+1), "maximum of 8 MiB"},
		"of another video":   {one + "2\n01:00:00,000 --> 01:00:01,000\nhi\n", "1 of its 2 cues begin after the end of the video, at 5s"},
	} {
		_, err := Read([]byte(c.text), "", 5000)
		require.ErrorContains(t, err, c.want, name)
	}
}

// TestOdd: no word of a file is lost, whatever a player would make of it.
func TestOdd(t *testing.T) {
	t.Parallel()
	at := "00:00:01,000 --> 00:00:02,000\n"
	for name, c := range map[string]struct {
		text string
		want []video.Segment
	}{
		"empty": {"", nil}, "spaces": {" \n\n", nil}, "only a header": {"WEBVTT\n", nil},
		"previews":     {"WEBVTT\n\n00:00.000 --> 00:05.000\nsprite.jpg#xywh=0,0,160,90\n", nil},
		"empty line":   {"1\n" + at + "one\n\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nthree\n", []video.Segment{{StartMS: 1000, EndMS: 2000, Text: "one two"}, {StartMS: 3000, EndMS: 4000, Text: "three"}}},
		"not in order": {"1\n00:00:03,000 --> 00:00:04,000\nb\n\n2\n" + at + "a\n", []video.Segment{{StartMS: 1000, EndMS: 2000, Text: "a"}, {StartMS: 3000, EndMS: 4000, Text: "b"}}},
		"backwards":    {"1\n00:00:03,000 --> 00:00:01,000\na\n", []video.Segment{{StartMS: 3000, EndMS: 3001, Text: "a"}}},
		"past the end": {"1\n00:00:04,000 --> 00:00:09,000\na\n\n2\n00:00:06,000 --> 00:00:07,000\nb\n", []video.Segment{{StartMS: 4000, EndMS: 5000, Text: "a"}, {StartMS: 4999, EndMS: 5000, Text: "b"}}},
		"brackets":     {at + "I <think we > you, 1 <2 and <3<br>A --> B <script>x</script> \x1b[31m", []video.Segment{{StartMS: 1000, EndMS: 2000, Text: "I <think we > you, 1 <2 and <3 A --> B <script>x</script> [31m"}}},
		"header":       {"WEBVTT\nKind: captions\n00:01.000 --> 00:02.000\na", []video.Segment{{StartMS: 1000, EndMS: 2000, Text: "a"}}},
		"names":        {"WEBVTT\n\nintro\n00:01.000 --> 00:02.000 line:0\n<v Ann>a\n\nSTYLE\n::cue {}\n", []video.Segment{{StartMS: 1000, EndMS: 2000, Text: "a"}}},
		"numbers":      {"1\n" + at + "In\n1984\nit was\n42\n\n2\n00:00:03,000 --> 00:00:04,000\n7\n", []video.Segment{{StartMS: 1000, EndMS: 2000, Text: "In 1984 it was 42"}, {StartMS: 3000, EndMS: 4000, Text: "7"}}},
	} {
		out, err := Read([]byte(c.text), "", 5000)
		require.NoError(t, err, name)
		require.Equal(t, c.want, out, name)
	}
}

// FuzzRead: whatever a file holds, segments have words, are in order, and lie within the video.
func FuzzRead(f *testing.F) {
	f.Add([]byte(srt), "de", int64(5000))
	f.Add([]byte("WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n"), "", int64(0))
	f.Add([]byte(wideText("\ufeff"+srt, 0, 1)), "", int64(1))
	f.Add([]byte("99999999999:00:00.000 --> 00:00.000\n<<a>\n\xff&#0;\n"), "ja", int64(9))
	f.Fuzz(func(t *testing.T, data []byte, language string, durationMS int64) {
		out, err := Read(data, language, durationMS)
		last := int64(0)
		for _, s := range out {
			if err != nil {
				break
			}
			require.NotEmpty(t, strings.TrimSpace(s.Text))
			require.Less(t, s.StartMS, s.EndMS)
			require.GreaterOrEqual(t, s.StartMS, last)
			if last = s.StartMS; durationMS > 0 {
				require.LessOrEqual(t, s.EndMS, durationMS)
			}
		}
	})
}

// TestHugeCues: a cue with more text than can be said is refused, since each part of it would be a document; the time that
// takes grows with the size of the file only.
func TestHugeCues(t *testing.T) {
	t.Parallel()
	half := strings.Repeat("a\n", MaxBytes/5)
	_, err := Read([]byte("00:00:00,000 --> 00:00:01,000\n"+half+"\n00:00:01,000 --> 00:00:02,000\n"+half+"b\n"), "", 0)
	require.ErrorContains(t, err, "more than can be said")
	out, err := Read([]byte("00:00:00,000 --> 00:00:10,000\n"+strings.Repeat("word ", 500)+"\n"), "", 0)
	require.NoError(t, err)
	require.Len(t, out, 1)
}

// TestDrawings: of the vector graphics of ASS, ffmpeg leaves the numbers.
func TestDrawings(t *testing.T) {
	t.Parallel()
	list := Cues([]byte("WEBVTT\n\n00:01.000 --> 00:02.000\nm 0 0 l 100 0 100 100tarsier and 5 m of rope\n"))
	require.Equal(t, "tarsier and 5 m of rope", list[0].Text)
	list = Cues([]byte("WEBVTT\n\n00:01.000 --> 00:02.000\nm 0 0 b 1.5 -2 3 4 5 6 c\n\n00:03.000 --> 00:04.000\nsaid\n"))
	require.Len(t, list, 1)
}

// TestOldEncodings: text in the encoding of its language before UTF-8 is read where one was usual.
func TestOldEncodings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		language, text string
		encoding       encoding.Encoding
	}{
		{"ko", "버스를 타고 학교에 갑니다", korean.EUCKR},
		{"th", "รถไฟไปเชียงใหม่", charmap.Windows874},
		{"pl", "Zażółć gęślą jaźń", charmap.Windows1250},
		{"ru", "Слон идёт домой", charmap.Windows1251},
	} {
		data, err := c.encoding.NewEncoder().Bytes([]byte("1\n00:00:01,000 --> 00:00:02,000\n" + c.text + "\n"))
		require.NoError(t, err)
		list, err := Read(data, c.language, 0)
		require.NoError(t, err, c.language)
		require.Equal(t, c.text, list[0].Text)
	}
	data, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte("1\n00:00:01,000 --> 00:00:02,000\n猫が好きです\n"))
	require.NoError(t, err)
	_, err = Read(data, "ja", 0)
	require.ErrorContains(t, err, "convert it to UTF-8")
}
