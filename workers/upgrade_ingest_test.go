package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// heldAnswers makes a language model answer only the calls that a gate admits.
func heldAnswers(g *gate) func(int) lmtest.Answer {
	return func(int) lmtest.Answer {
		if g.pass() {
			return nil
		}
		return answertest.Status(http.StatusTooManyRequests, `{"error":{"message":"later"}}`, "Retry-After", "1")
	}
}

// describeStack is a stack whose describe endpoint is behind a gate.
type describeStack struct {
	*stack
	gate *gate
	vlm  *vlmtest.Server
}

func newDescribeStack(t *testing.T, dynamic map[string]string) *describeStack {
	t.Helper()
	d := &describeStack{stack: newSmallStack(t, dynamic), gate: &gate{}, vlm: vlmtest.Start(t)}
	d.vlm.Decide(func(int) vlmtest.Fault {
		if d.gate.pass() {
			return vlmtest.None
		}
		return vlmtest.TooMany
	})
	file := filepath.Join(d.dir, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(upgradeConfig(t, d.vlm.URL)), 0o600))
	return d
}

const (
	upgradeVideos = 3
	upgradeFrames = 12
	upgradeCalls  = upgradeVideos * upgradeFrames
)

// ingested is the visible documents and the answered calls of a library.
type ingested struct {
	visible []string
	answers map[string]int
}

// ended waits for the library and compares its result with the calls of the endpoint.
func (d *describeStack) ended(t *testing.T, j *job, calls int) ingested {
	t.Helper()
	out, result := d.found(t, j, calls)
	require.Zero(t, result.RepeatedCalls)
	require.InDelta(t, float64(10*calls)/1e6, result.CostUSD, 1e-9)
	require.Equal(t, 10*calls, d.number("ledger.db", "SELECT sum(settled) FROM spend"))
	return out
}

// answered returns the number of answered describe calls in the ledger.
func (d *describeStack) answered() int {
	d.t.Helper()
	return d.number("ledger.db", "SELECT count(*) FROM call WHERE answered AND kind='describe'")
}

func (d *describeStack) found(t *testing.T, j *job, calls int) (ingested, ingest.LibraryResult) {
	t.Helper()
	d.gate.lift()
	result := j.wait(t)
	require.Empty(t, result.Failures)
	require.Zero(t, result.Failed)
	require.GreaterOrEqual(t, result.DescribeCalls, calls) // the build 5f04396 also counts rejected calls
	require.Equal(t, calls, d.answered(), "the ledger has the answered calls of the endpoint")
	require.Zero(t, d.hidden())
	out := ingested{d.visible(), d.vlm.Answered()}
	sum := 0
	for _, n := range out.answers {
		sum += n
	}
	require.Equal(t, calls, sum)
	return out, result
}

// ingestOn ingests a library with one build.
func ingestOn(t *testing.T, b build, dir string, calls int) ingested {
	t.Helper()
	d := newDescribeStack(t, nil)
	w := d.workerOf(t, b)
	out := d.ended(t, d.begin("library", ingest.LibraryInput{Source: dir}), calls)
	w.drain()
	return out
}

// TestUpgradeIngestion: a build with another extractor or index schema finishes videos of
// another build, in both directions. Neither the index nor the cost changes.
func TestUpgradeIngestion(t *testing.T) {
	t.Parallel()
	type path struct {
		name              string
		begin, then, back build
	}
	for _, former := range formerBuilds(t) {
		dir := small(t, upgradeVideos, upgradeFrames)
		for _, p := range []path{
			{"to a build with another extractor and back", former, nextBuild, former},
			{"back to a build with another extractor", nextBuild, thisBuild, nextBuild},
		} {
			t.Run(former.String()+" "+p.name, func(t *testing.T) {
				t.Parallel()
				want := ingestOn(t, p.begin, dir, upgradeCalls)
				require.Len(t, want.visible, upgradeCalls)
				d := newDescribeStack(t, nil)
				w := d.workerOf(t, p.begin)
				j := d.begin("library", ingest.LibraryInput{Source: dir})
				d.gate.after(t, upgradeCalls/4)
				w.drain()
				w = d.workerOf(t, p.then)
				d.gate.after(t, upgradeCalls/2)
				w.drain()
				w = d.workerOf(t, p.back)
				require.Equal(t, want, d.ended(t, j, upgradeCalls))
				w.drain()
			})
		}
	}
}

// TestUpgradeIngestionAtOnce: two builds poll the same queues. Runs that one of them starts,
// continues as new or starts as children are continued by the other.
func TestUpgradeIngestionAtOnce(t *testing.T) {
	t.Parallel()
	const videos = 10
	for _, former := range formerBuilds(t) {
		t.Run(former.String(), func(t *testing.T) {
			t.Parallel()
			dir := small(t, videos, upgradeFrames)
			want := ingestOn(t, former, dir, videos*upgradeFrames)
			d := newDescribeStack(t, continueAfter("60"))
			first := d.workerOf(t, former)
			j := d.begin("library", ingest.LibraryInput{Source: dir})
			d.gate.after(t, upgradeFrames)
			second := d.workerOf(t, thisBuild)
			d.awaitPollers("describe-cpu", 2)
			d.awaitPollers(workflows.QueueMain, 2)
			require.Equal(t, want, d.ended(t, j, videos*upgradeFrames))
			require.GreaterOrEqual(t, d.cost("library").runs, 2)
			require.Len(t, d.workflowWorkers(videos), 2, "both builds executed tasks")
			first.drain()
			second.drain()
		})
	}
}

// workflowWorkers lists the workers that completed workflow tasks of a library and its videos. Each run begins with either.
func (d *describeStack) workflowWorkers(videos int) map[string]bool {
	d.t.Helper()
	out := map[string]bool{}
	runs := d.chain("library")
	for i := range videos {
		runs = append(runs, d.chain(fmt.Sprintf("library/%06d", i))...)
	}
	for _, events := range runs {
		for _, e := range events {
			if done := e.GetWorkflowTaskCompletedEventAttributes(); done != nil {
				out[done.GetIdentity()] = true
			}
		}
	}
	return out
}

// TestUpgradeExtraction: a worker dies during an extraction, and a build with another
// extractor replaces it. Extracted frames are kept. The new build extracts the other frames,
// and the manifest of the extraction contains its version.
func TestUpgradeExtraction(t *testing.T) {
	t.Parallel()
	const frames = 40
	for _, former := range formerBuilds(t) {
		t.Run(former.String(), func(t *testing.T) {
			t.Parallel()
			dir := small(t, 1, frames)
			want := ingestOn(t, former, dir, frames)
			d := newDescribeStack(t, nil)
			w := d.workerOf(t, former, "COGFLOW_FFMPEG="+stuckFFmpeg(t, d.dir))
			j := d.begin("library", ingest.LibraryInput{Source: dir})
			d.awaitFile("store/default/videos/*/frames/*/chunk-000000.json")
			d.gate.after(t, 2)
			d.poll(func() bool { return d.answered() == 2 }) // calls in flight can be lost by a kill
			w.kill()
			require.Empty(t, d.matchingFiles("store/default/videos/*/frames/*/manifest.json"), "the extraction is not complete")
			kept := d.storedFrames()
			require.NotEmpty(t, kept)
			require.Less(t, len(kept), frames)
			w = d.workerOf(t, nextBuild)
			got, _ := d.found(t, j, frames)
			require.Len(t, got.answers, frames)
			require.Equal(t, places(want.visible), places(got.visible))
			// Two extractors may round colours in other ways.
			byFormer, byNext := showing(want.visible), showing(ingestOn(t, nextBuild, dir, frames).visible)
			for pts, is := range showing(got.visible) {
				by := byNext
				if slices.Contains(kept, pts) {
					by = byFormer
				}
				require.Equal(t, by[pts], is, "frame at %s ms", pts)
			}
			manifests := d.matchingFiles("store/default/videos/*/frames/*/manifest.json")
			require.Len(t, manifests, 1)
			text, err := os.ReadFile(manifests[0])
			require.NoError(t, err)
			require.Contains(t, string(text), `"finished_by":"next"`)
			w.drain()
		})
	}
}

// storedFrames lists the times of the frames in stored chunks.
func (d *describeStack) storedFrames() (ptsMS []string) {
	for _, name := range d.matchingFiles("store/default/videos/*/frames/*/chunk-*.json") {
		text, err := os.ReadFile(name)
		require.NoError(d.t, err)
		var chunk video.Chunk
		require.NoError(d.t, json.Unmarshal(text, &chunk))
		for _, f := range chunk.Frames {
			ptsMS = append(ptsMS, strconv.FormatInt(f.PTSMS, 10))
		}
	}
	return ptsMS
}

// Columns of visible.
const (
	columnPTS, columnCaption, columnEmbedding = 11, 14, 19
)

// places leaves out what frames show.
func places(documents []string) (out []string) {
	for _, row := range documents {
		columns := strings.Split(row, " | ")
		columns[columnCaption], columns[columnEmbedding] = "", ""
		out = append(out, strings.Join(columns, " | "))
	}
	return out
}

// showing is the caption and the embedding of each frame, by its time.
func showing(documents []string) map[string]string {
	out := map[string]string{}
	for _, row := range documents {
		columns := strings.Split(row, " | ")
		out[columns[columnPTS]] = columns[columnCaption] + " " + columns[columnEmbedding]
	}
	return out
}

// stuckFFmpeg makes an ffmpeg command that writes a part of its output and then hangs.
func stuckFFmpeg(t *testing.T, dir string) string {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(t, err)
	at := filepath.Join(dir, "stuck")
	require.NoError(t, os.Mkdir(at, 0o755)) //nolint:gosec // the sandbox reads it
	script := fmt.Sprintf("#!/bin/bash\ncase \" $* \" in *' -version '*) exec %[1]s \"$@\";; esac\n%[1]s \"$@\" | { head -c 60000; exec sleep 3600; }\n", ffmpeg)
	path := filepath.Join(at, "ffmpeg")
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755)) //nolint:gosec // a worker executes it
	return path
}
