package optimize

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

const captioner = `{"name": "p", "predictors": [{"name": "self", "module": "chain_of_thought",
	"inputs": [{"name": "photo", "type": "image"}, {"name": "query"}], "outputs": [{"name": "answer"}]}]}`

// photo is a PNG whose width tells it from others.
func photo(t *testing.T, width int) string {
	t.Helper()
	var data bytes.Buffer
	require.NoError(t, png.Encode(&data, image.NewGray(image.Rect(0, 0, width, 2))))
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data.Bytes())
}

func photos(t *testing.T, from, to int) json.RawMessage {
	t.Helper()
	var rows []any
	for i := from; i < to; i++ {
		rows = append(rows, python.NewObject("photo", python.NewObject("url", photo(t, i+1)), "query", fmt.Sprintf("topic %d", i), "answer", fmt.Sprint(i%3)))
	}
	return json.RawMessage(python.Dumps(rows))
}

// imagesOf lists the URLs of the images in a request.
func imagesOf(messages []prompt.Message) (urls []string) {
	for _, m := range messages {
		for _, p := range m.Parts {
			if p.Image != nil {
				urls = append(urls, p.Image.URL())
			}
		}
	}
	return urls
}

// useImages plans a job whose program has images.
func (o *optimizing) useImages() Prepared {
	o.t.Helper()
	in := PrepareInput{
		Tenant: "default", Program: json.RawMessage(captioner), Mode: o.mode, Metric: json.RawMessage(`{"kind":"exact","field":"answer"}`),
		Trainset: photos(o.t, 0, 12), Valset: photos(o.t, 12, 28), Testset: photos(o.t, 28, 52),
	}
	return o.prepare(in)
}

// TestImages: a program with images is optimized in every mode. Each request of the student
// has the image of its row, and neither the report nor a text has image data.
func TestImages(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		plan := o.useImages()
		require.Equal(o.t, plan.TokensIn, int64(plan.Quote.Student+plan.Quote.Teacher+plan.Quote.Proposer)*(1500+map[bool]int64{true: 1, false: 9}[o.mode == ModeGEPA]*1500))
		var mu sync.Mutex
		asked, proposed := 0, 0
		o.lm.ends = func(c prompt.Completion, _ *prompt.CompletionAnswer) {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range c.Messages {
				require.NotContains(o.t, m.Text(), "iVBOR", "image data as text")
			}
			urls := imagesOf(c.Messages)
			if c.Model == "proposer" {
				proposed += len(urls)
				return
			}
			asked++
			last := c.Messages[len(c.Messages)-1]
			var row int
			_, err := fmt.Sscanf(topics.FindString(last.Text()), "topic %d", &row)
			require.NoError(o.t, err)
			require.Equal(o.t, photo(o.t, row+1), urls[len(urls)-1])
			require.Len(o.t, urls, 1+strings.Count(text(c.Messages[1:len(c.Messages)-1]), "[[ ## photo ## ]]"), "with those of the demos")
		}
		for _, part := range o.parts() {
			_, err := part.run(o)
			require.NoError(o.t, err, part.name)
		}
		require.Positive(o.t, asked)
		require.Equal(o.t, o.mode != ModeGEPA, proposed > 0, "DSPy's proposer sees the images of demos")
		out, err := o.publish()
		require.NoError(o.t, err)
		d, err := registry.ReadProgram(o.t.Context(), o.store, "default", "quiz", out.Version)
		require.NoError(o.t, err)
		published, err := prompt.Read(d.Program)
		require.NoError(o.t, err)
		_, err = published.Load(published.File())
		require.NoError(o.t, err)
		page, err := activitytest.Run(o.t, o.a.WriteOptimizeReport, ReportInput{SearchStep: o.step(o.reflections()), Name: "quiz", Version: out.Version})
		require.NoError(o.t, err)
		html, err := activities.ReadAll(o.t.Context(), o.store, page.Key)
		require.NoError(o.t, err)
		require.NotContains(o.t, string(html), "iVBOR")
	})
}

func text(messages []prompt.Message) string {
	all := ""
	for _, m := range messages {
		all += m.Text() + "\n"
	}
	return all
}

// TestFieldVersion: former builds hand a job back whose fields or rows they would refuse, and
// other jobs keep their version.
func TestFieldVersion(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	const before, after = `{"name":"p","predictors":[{"name":"self","inputs":[{"name":"query"`, `}],"outputs":[{"name":"answer"}]}]}`
	for program, version := range map[string]int{
		before + after:                                       formerVersion,
		before + `,"default":"?"` + after:                    fieldVersion,
		before + `},{"name":"hint"` + after:                  0,
		before + `},{"name":"hint","default":"none"` + after: fieldVersion,
		before + `},{"name":"hint","type":"optional","items":{"type":"str"}` + after:         fieldVersion,
		before + `},{"name":"hint","type":"image","default":"https://example.com/a"` + after: fieldVersion,
	} {
		in := prepared(t)
		in.Program = json.RawMessage(program)
		plan, err := activitytest.Run(t, o.a.PrepareOptimize, in)
		if version == 0 {
			require.ErrorContains(t, err, `lacks the program's input "hint"`)
			continue
		}
		require.NoError(t, err)
		var j jobFile
		require.NoError(t, activities.ReadJSON(t.Context(), o.store, prefixOf("default", plan.Job)+"job.json", &j))
		require.Equal(t, version, j.Version, program)
	}
	require.False(t, knownVersion(fieldVersion+1))
}

// TestJudgedImages: the images that only a judge reads are checked as well.
func TestJudgedImages(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	in := prepared(t)
	in.Metric = json.RawMessage(`{"kind": "mean", "parts": [{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "self",
		"inputs": [{"name": "sight", "type": "image"}, {"name": "predicted_answer"}], "outputs": [{"name": "score", "type": "float"}]}]}}]}`)
	in.Trainset = bytes.ReplaceAll(in.Trainset, []byte(`{"answer"`), []byte(`{"sight": "https://example.com/a.png", "answer"`))
	in.Valset = bytes.ReplaceAll(in.Valset, []byte(`{"answer"`), []byte(`{"sight": "https://example.com/a.png", "answer"`))
	plan, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.NoError(t, err)
	var j jobFile
	require.NoError(t, activities.ReadJSON(t.Context(), o.store, prefixOf("default", plan.Job)+"job.json", &j))
	require.Equal(t, fieldVersion, j.Version)
	in.Valset = bytes.Replace(in.Valset, []byte("https://example.com/a.png"), []byte("a.png"), 1)
	_, err = activitytest.Run(t, o.a.PrepareOptimize, in)
	require.ErrorContains(t, err, `read valset "example 1": field "sight": an image must be`)
}

// TestNoVision: a model that rejects every image stops the run after a few requests, although it
// answers texts, and no row gets a score.
func TestNoVision(t *testing.T) {
	t.Parallel()
	everyMode(t, func(o *optimizing) {
		o.useImages()
		o.lm.reject(func(c prompt.Completion) error {
			if prompt.HasImages(c.Messages) {
				return badRequest()
			}
			return nil
		})
		_, err := o.parts()[0].run(o)
		require.Equal(o.t, fault.Input, activitytest.ClassOf(err))
		require.ErrorContains(o.t, err, "does it take images?")
		asked, _ := o.lm.calls()
		require.Less(o.t, asked, 30)
	})
}

// TestImageFiles: rows may name image files; the job is that of rows with their data.
func TestImageFiles(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	dir := t.TempDir()
	o.a.Documents = documents(dir)
	in := prepared(t)
	in.Program, in.Trainset, in.Valset = json.RawMessage(captioner), photos(t, 0, 12), photos(t, 12, 40)
	inline, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.NoError(t, err)
	for i := range 40 {
		data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(photo(t, i+1), "data:image/png;base64,"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), data, 0o600))
		for _, set := range []*json.RawMessage{&in.Trainset, &in.Valset} {
			*set = bytes.Replace(*set, []byte(`{"url": "`+photo(t, i+1)+`"}`), fmt.Appendf(nil, `{"uri": "%d"}`, i), 1)
		}
	}
	require.NotContains(t, string(in.Valset), "base64")
	files, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.NoError(t, err)
	require.Equal(t, inline.Job, files.Job)
	require.NoError(t, os.Remove(filepath.Join(dir, "13")))
	_, err = activitytest.Run(t, o.a.PrepareOptimize, in)
	require.ErrorContains(t, err, "example 2, field photo")
}

// TestImagesRefused: a row whose image no model can read is refused before the first call.
func TestImagesRefused(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	whole := photo(t, 40)
	for _, c := range []struct{ value, says string }{
		{`"` + whole[:len(whole)-16] + `"`, `read valset "example 2": field "photo": the image/png image is damaged: it is truncated`},
		{`"photo.png"`, "local files"},
		{`17`, "an image must be"},
		{`"` + strings.Repeat("x", 1000) + `"`, "an image must be"},
		{`"data:image/png;base64,` + strings.Repeat("AAAA", 3<<20) + `"`, "over 8 MiB"},
	} {
		in := prepared(t)
		in.Program = json.RawMessage(captioner)
		in.Trainset = photos(t, 0, 12)
		in.Valset = json.RawMessage(`[` + strings.Trim(string(photos(t, 0, 1)), "[]") + `, {"photo": ` + c.value + `, "query": "q", "answer": "a"}]`)
		in.Testset = photos(t, 12, 20)
		_, err := activitytest.Run(t, o.a.PrepareOptimize, in)
		require.Equal(t, fault.Input, activitytest.ClassOf(err))
		require.ErrorContains(t, err, c.says)
		require.Less(t, len(err.Error()), 600)
	}
	calls, _ := o.lm.calls()
	require.Zero(t, calls)
}
