package main

import (
	"go/ast"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// objects describes the layout of the object store, by calling the functions that make the keys.
func objects(c *comments) ([]byte, error) {
	const (
		t = tenant.ID("<tenant>")
		v = video.ID("<video>")
		f = video.Fingerprint("<fingerprint>")
	)
	m := newMarkdown("Objects", "Keys of the object store. Every key begins with its tenant; a manifest is written last. `<video>` is the SHA-256 of a "+
		"video's content, a fingerprint the SHA-256 of all that a result depends on.")
	frames, batch := video.FramesPrefix(t, v, f), video.BatchPrefix(t, "<batch>")
	for _, group := range []struct {
		title, dir string
		keys       [][2]string // the function that makes the key, and an example
	}{
		{"Videos", "video", [][2]string{
			{"SourceKey", video.SourceKey(t, v)},
			{"SeenKey", string(t) + "/sources/<hash of the URI>.json"},
			{"FramesPrefix", frames},
			{"PictureKey", frames + "<milliseconds>.jpg"},
			{"AudioKey", video.AudioKey(frames, 0)},
			{"ChunkKey", video.ChunkKey(frames, 0)},
			{"ExtractionKey", video.ExtractionKey(frames)},
			{"CaptionKey", video.CaptionKey(t, f)},
			{"RefusalKey", video.RefusalKey(t, f)},
			{"TranscriptKey", video.TranscriptKey(t, f)},
			{"EmbeddingKey", video.EmbeddingKey(t, f)},
			{"ExampleKey", string(t) + "/examples/<sha256>.jpg"},
			{"RecipeKey", video.RecipeKey(t, f)},
			{"RolesKey", string(t) + "/roles/<hash of profile and model>.json"},
			{"PublicationKey", video.PublicationKey(t, v, "<profile>")},
			{"ClaimKey", video.ClaimKey(t, v, "<profile>")},
			{"ListingKey", video.ListingKey(video.ListingPrefix(t, "<run>"), 0)},
			{"ReportKey", string(t) + "/reports/<workflow>/<run>.html"},
		}},
		{"Batches of frames", "video", [][2]string{
			{"BatchPrefix", batch},
			{"BatchHoldKey", video.BatchHoldKey(batch)},
			{"BatchPictureKey", video.BatchPictureKey(batch, "<sha256>")},
			{"BatchKey", video.BatchKey(batch)},
			{"BatchStageKey", video.BatchStageKey(batch, "<stage>")},
			{"BatchChunkKey", video.BatchChunkKey(batch, "<stage>", 0)},
			{"BatchAnswersKey", video.BatchAnswersKey(batch, "<stage>")},
		}},
		{"Training", "training", [][2]string{
			{"DatasetKey", training.DatasetKey(t, "<sha256>")},
			{"UploadKey", training.UploadKey(t, "<sha256>")},
			{"ImageKey", training.ImageKey(t, "<sha256>")},
			{"JobPrefix", training.JobPrefix(t, "<job>")},
			{"ClaimKey", training.ClaimKey(t, "<job>")},
			{"ClockKey", training.ClockKey(t, "<job>")},
			{"CheckpointPrefix", training.CheckpointPrefix(t, "<job>", 0)},
			{"LogKey", training.LogKey(t, "<job>", time.Time{}, "<attempt>")},
			{"TensorBoardPrefix", training.TensorBoardPrefix(t, "<job>")},
			{"OutputPrefix", training.OutputPrefix(t, "<job>")},
			{"AdapterPrefix", training.AdapterPrefix(t, "<adapter>", 1)},
			{"RoleKey", training.RoleKey(t, "<role>")},
		}},
		{"Endpoints", "internal/answer/params", [][2]string{
			{"Prefix", string(tenant.Default) + "/parameters/<hash of URL and model>/<parameter>.json"},
		}},
		{"Concurrency limits", "internal/limit/memory", [][2]string{
			{"Prefix", string(tenant.Default) + "/limits/<hash of server and model>/<process>.json"},
		}},
	} {
		m.heading(2, group.title)
		var rows [][]string
		for _, k := range group.keys {
			text, err := c.function(group.dir, k[0])
			if err != nil {
				return nil, err
			}
			rows = append(rows, []string{code(k[1]), text})
		}
		m.table([]string{"Key", "Holds"}, rows)
	}
	m.heading(2, "Programs")
	m.table([]string{"Key", "Holds"}, [][]string{
		{code(string(t) + "/optimize/<job>/"), "what an optimization has found so far"},
		{code(string(t) + "/programs/<program>/<version>/"), "one version of a published program"},
		{code(string(t) + "/programs/_roles/<program>.json"), "the active version and the canary of a program"},
	})
	return m.Bytes(), nil
}

// function returns the comment of a function or method of a folder.
func (c *comments) function(dir, name string) (string, error) {
	files, err := c.files(dir)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == name {
				text := strings.TrimPrefix(oneLine(fn.Doc.Text()), name+" ")
				return strings.TrimPrefix(strings.TrimPrefix(text, "holds "), "is "), nil
			}
		}
	}
	return "", nil
}
