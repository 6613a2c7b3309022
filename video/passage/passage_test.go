package passage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func say(startMS, endMS int64, text string) Said {
	return Said{Segment: video.Segment{StartMS: startMS, EndMS: endMS, Text: text}, Language: "en"}
}

func texts(list []video.Passage) (out []string) {
	for _, p := range list {
		out = append(out, p.Text)
	}
	return out
}

func TestCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said []Said
		want []string
	}{
		"nothing": {nil, nil},
		"a sentence over several segments stays whole": {
			[]Said{say(0, 4000, "The harbour was empty when the"), say(4000, 7000, "first boat of the morning came in.")},
			[]string{"The harbour was empty when the first boat of the morning came in."},
		},
		"sentences of one segment": {
			[]Said{say(0, 12_000, "The harbour was empty when the boat came in. Nobody had seen the captain since the storm.")},
			[]string{"The harbour was empty when the boat came in.", "Nobody had seen the captain since the storm."},
		},
		"short sentences share a passage": {
			[]Said{say(0, 1000, "Yes."), say(1000, 2000, "No."), say(2000, 5000, "I do not know where she went.")},
			[]string{"Yes. No. I do not know where she went."},
		},
		"a silence":            {[]Said{say(0, 1000, "Yes."), say(5000, 6000, "No.")}, []string{"Yes.", "No."}},
		"numbers and initials": {[]Said{say(0, 9000, "The price of J. Smith's boat rose by 3.5 percent in the last year.")}, []string{"The price of J. Smith's boat rose by 3.5 percent in the last year."}},
		"Chinese": {
			[]Said{say(0, 20_000, "我们今天在港口看到一艘很大的白色的船正在慢慢靠岸。没有人知道那位船长昨天晚上去了哪里和谁在一起。")},
			[]string{"我们今天在港口看到一艘很大的白色的船正在慢慢靠岸。", "没有人知道那位船长昨天晚上去了哪里和谁在一起。"},
		},
		"another language": {
			[]Said{say(0, 1000, "Yes."), {Segment: video.Segment{StartMS: 1000, EndMS: 2000, Text: "Ja."}, Language: "de"}},
			[]string{"Yes.", "Ja."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, texts(Cut(c.said)))
		})
	}
}

// TestCutOneLongSegment: a server without times of segments gives minutes as one text. Its
// sentences get their share of the time.
func TestCutOneLongSegment(t *testing.T) {
	t.Parallel()
	sentence := "The harbour was empty when the boat came in."
	list := Cut([]Said{say(0, 600_000, strings.Repeat(sentence+" ", 60))})
	require.Len(t, list, 60)
	for i, p := range list {
		require.InDelta(t, i*10_000, p.StartMS, 20)
		require.InDelta(t, (i+1)*10_000, p.EndMS, 20)
	}
	list = Cut([]Said{say(0, 60_000, strings.Repeat("word ", 300))})
	require.Len(t, list, 5)
	require.InDelta(t, 12_800, list[0].EndMS, 50)
}

// TestJoin: what two pieces that overlap both have is taken once, and the sentence at the end
// of the first is whole.
func TestJoin(t *testing.T) {
	t.Parallel()
	first := Piece{EndMS: 600_000, Transcript: video.Transcript{Language: "english", Segments: []video.Segment{
		{StartMS: 580_000, EndMS: 588_000, Text: "Before the seam."},
		{StartMS: 591_000, EndMS: 594_000, Text: "Both of them have this."},
		{StartMS: 597_000, EndMS: 600_000, Text: "But this one is"},
	}}}
	second := Piece{StartMS: 590_000, EndMS: 1_190_000, Transcript: video.Transcript{Language: "en", Segments: []video.Segment{
		{StartMS: 1_000, EndMS: 4_100, Text: "Both of them have this."},
		{StartMS: 7_000, EndMS: 12_000, Text: "But this one is cut by the end."},
		{StartMS: 20_000, EndMS: 23_000, Text: "Behind the seam."},
	}}}
	said := Join([]Piece{first, second})
	var got []string
	for _, s := range said {
		got = append(got, s.Text)
		require.Equal(t, "en", s.Language)
	}
	require.Equal(t, []string{"Before the seam.", "Both of them have this.", "But this one is cut by the end.", "Behind the seam."}, got)
	require.EqualValues(t, 597_000, said[2].StartMS)

	// Segments differ between the two: the words at the seam are not said twice.
	first.Segments = []video.Segment{{StartMS: 588_000, EndMS: 597_000, Text: "We sailed north for three days"}}
	second.Segments = []video.Segment{{StartMS: 4_000, EndMS: 12_000, Text: "for three days, and then the wind died."}}
	said = Join([]Piece{first, second})
	require.Len(t, said, 2)
	require.Equal(t, "and then the wind died.", said[1].Text)
	require.EqualValues(t, 597_000, said[1].StartMS)

	// Pieces of earlier builds do not overlap.
	second.StartMS = 600_000
	require.Len(t, Join([]Piece{first, second}), 2)
	require.Equal(t, "for three days, and then the wind died.", Join([]Piece{first, second})[1].Text)
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"english": "en", "English": "en", "en": "en", "eng": "en", "deu": "de", "ger": "de", "zh": "zh", "chinese": "zh", "en-US": "en",
		"haitian creole": "ht", "castilian": "es", "": "", "und": "", "klingon?": "klingon?", "javanese": "jv", "hebrew": "he", "norwegian": "no",
	} {
		require.Equal(t, want, Language(name), name)
	}
}

// FuzzCut: no word is lost, added or moved, times are in order and inside the speech.
func FuzzCut(f *testing.F) {
	f.Add("One. Two! Three? 四。 five", int64(7000), int64(3))
	f.Add(strings.Repeat("word ", 200), int64(1), int64(100_000))
	f.Add("…..。 . ?", int64(0), int64(-5))
	f.Fuzz(func(t *testing.T, text string, length, gap int64) {
		text = string([]rune(text)) // invalid UTF-8 becomes U+FFFD
		length, gap = min(max(length, 1), 1<<40), min(max(gap, 0), 1<<40)
		said := []Said{say(0, length, text), say(length+gap, 2*length+gap, text)}
		list := Cut(said)
		letters := func(s string) string { return strings.Join(strings.Fields(s), "") }
		require.Equal(t, letters(text+text), letters(strings.Join(texts(list), "")))
		for i, p := range list {
			require.NotEmpty(t, p.Text)
			require.Less(t, p.StartMS, p.EndMS)
			if i > 0 {
				require.Greater(t, p.StartMS, list[i-1].StartMS)
			}
		}
	})
}
