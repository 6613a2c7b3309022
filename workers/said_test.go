package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/smallserver"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// sentence is one sentence of a clip, and how people ask for it.
type sentence struct {
	Said    string `json:"said"`
	Words   string `json:"words"`   // words of it
	Meaning string `json:"meaning"` // other words for it

	clip         string
	fromMS, toMS int64
}

const (
	saidRecall = 0.9  // of the sentences, among the first three hits
	pauseMS    = 2000 // after each sentence
	saidSlack  = 1500 // ms; the model's times are those of whole segments
)

// TestSaidIsFound: forty sentences that eSpeak NG speaks in ten clips are found by their words
// and by their meaning. The speech model and the embedder are those of make small.
func TestSaidIsFound(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	server, err := smallserver.Start(smallserver.Options{Folder: "../embedder", Log: filepath.Join(s.dir, "small.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	s.worker(nil, smallVariable+"="+server.URL())

	clips := filepath.Join(s.dir, "clips")
	sentences := speak(t, clips)
	profile := video.LocalSmall().Name
	report, err := execute[ingest.LibraryResult](s, "said", "IngestLibrary", ingest.LibraryInput{Source: clips, Profile: profile})
	require.NoError(t, err)
	require.Equal(t, 10, report.Indexed, "%+v", report.Failures)

	words := func(one sentence) string { return one.Words }
	meaning := func(one sentence) string { return one.Meaning }
	for name, c := range map[string]struct {
		rank  video.Rank
		query func(sentence) string
	}{
		"words": {video.RankHybrid, words}, "meaning": {video.RankHybrid, meaning}, "meaning by vectors": {video.RankVector, meaning},
	} {
		var missed []string
		for i, one := range sentences {
			found, err := execute[ingest.SearchResult](s, fmt.Sprint("search-", c.rank, "-", name, "-", i), "SearchVideos",
				ingest.SearchInput{Query: c.query(one), Profile: profile, Limit: 3, Rank: string(c.rank)})
			require.NoError(t, err)
			if !one.among(found.Hits) {
				missed = append(missed, fmt.Sprintf("%q for %q: %s", c.query(one), one.Said, shown(found.Hits)))
			}
		}
		recall := 1 - float64(len(missed))/float64(len(sentences))
		t.Logf("recall@3, %s: %.3f", name, recall)
		assert.GreaterOrEqual(t, recall, saidRecall, "%s:\n%s", name, strings.Join(missed, "\n"))
	}
}

// among reports whether a hit is in the sentence's clip and time.
func (one sentence) among(hits []video.Hit) bool {
	for _, h := range hits {
		if path.Base(h.URI) == one.clip && h.StartMS < one.toMS+saidSlack && h.EndMS > one.fromMS-saidSlack {
			return true
		}
	}
	return false
}

func shown(hits []video.Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s %d-%d %q", path.Base(h.URI), h.StartMS, h.EndMS, h.Transcript))
	}
	return strings.Join(out, ", ")
}

// speak makes the clips: sentences with pauses beside a plain picture. Of some clips the
// picture ends long before the sound, or the sound begins later than the picture.
func speak(t *testing.T, dir string) (all []sentence) {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o700))
	text, err := os.ReadFile("testdata/said.json")
	require.NoError(t, err)
	var clips [][]sentence
	require.NoError(t, json.Unmarshal(text, &clips))
	sounds := t.TempDir()
	say := []string{"-m", "embedder.small.say"}
	sound := func(clip, i int) string { return filepath.Join(sounds, fmt.Sprintf("%d-%d.wav", clip, i)) }
	for c, clip := range clips {
		for i, one := range clip {
			say = append(say, one.Said, sound(c, i))
		}
	}
	cmd := exec.CommandContext(t.Context(), "small/.venv/bin/python", say...)
	cmd.Dir, cmd.Env = "../embedder", append(os.Environ(), "PYTHONPATH=src")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "run make small: %s", out)

	for c, clip := range clips {
		name, offsetMS := fmt.Sprintf("said-%d.mkv", c), int64(0)
		if c%3 == 1 {
			offsetMS = 5000
		}
		args, graph, at := []string{"-v", "error"}, "", offsetMS
		for i := range clip {
			file, err := os.Stat(sound(c, i))
			require.NoError(t, err)
			clip[i].clip, clip[i].fromMS = name, at
			clip[i].toMS = at + (file.Size()-44)*1000/(2*22_050)
			at = clip[i].toMS + pauseMS
			args = append(args, "-i", sound(c, i))
			graph += fmt.Sprintf("[%d]apad=pad_dur=%dms[a%d];", i, pauseMS, i)
		}
		for i := range clip {
			graph += fmt.Sprintf("[a%d]", i)
		}
		seconds := at / 1000
		if c%3 == 2 {
			seconds = 3
		}
		graph += fmt.Sprintf("concat=n=%d:v=0:a=1,adelay=%d[a];testsrc=s=160x120:r=5:d=%d[v]", len(clip), offsetMS, seconds)
		args = append(args, "-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-preset", "ultrafast", filepath.Join(dir, name))
		out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
		require.NoError(t, err, string(out))
		all = append(all, clip...)
	}
	return all
}
