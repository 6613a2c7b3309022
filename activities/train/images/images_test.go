package images_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/activities/train/images"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	promptimage "github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// folder has the files that a worker may read, and counts how often it is asked.
type folder struct {
	dir   string
	opens map[string]int
	down  error
}

func (f *folder) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	f.opens[uri]++
	if f.down != nil {
		return nil, "", f.down
	}
	path := filepath.Join(f.dir, filepath.Base(uri))
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fault.New(fault.Input, "open video", uri, "the video file was not found; check the path")
	}
	return file, filepath.Base(uri), nil
}

func square(t *testing.T, side int) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, image.NewGray(image.Rect(0, 0, side, side))))
	return out.Bytes()
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func newSource(t *testing.T, dataset activities.Dataset) (*images.Source, *folder, *activitytest.Store) {
	t.Helper()
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	store := &activitytest.Store{Store: files}
	f := &folder{dir: t.TempDir(), opens: map[string]int{}}
	return &images.Source{Documents: f, Store: store, Tenant: "acme", Dataset: dataset}, f, store
}

// TestImages: every way to name an image leads to one object of its content, which is read once.
func TestImages(t *testing.T) {
	t.Parallel()
	data := square(t, 3)
	sum := sumOf(data)
	made, err := promptimage.FromBytes(data)
	require.NoError(t, err)
	for dataset, opened := range map[string]string{
		"/data/rows.jsonl":        "/data/a.png",
		"file:///data/rows.jsonl": "file:///data/a.png",
		"s3://b/set/rows.jsonl":   "s3://b/set/a.png",
		"https://h/set/rows.json": "https://h/set/a.png",
	} {
		s, f, store := newSource(t, activities.Dataset{URI: dataset})
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, "a.png"), data, 0o600))
		_, err := store.Put(t.Context(), training.UploadKey("acme", sum), bytes.NewReader(data))
		require.NoError(t, err)
		find := s.Images(t.Context())
		for _, uri := range []string{"a.png", "a.png", "s3://other/a.png", made.URL(), "dataset:" + sum, sum} {
			got, err := find(uri)
			require.NoError(t, err, uri)
			require.Equal(t, sum, got)
		}
		require.Equal(t, map[string]int{opened: 1, "s3://other/a.png": 1}, f.opens)
		stored, err := activities.ReadAll(t.Context(), store, training.ImageKey("acme", sum))
		require.NoError(t, err)
		require.Equal(t, data, stored)
	}
}

// TestImagesRefused: a bad image is a fault of its row, and a store that is down is none.
func TestImagesRefused(t *testing.T) {
	t.Parallel()
	s, f, _ := newSource(t, activities.Dataset{URI: "dataset:" + strings.Repeat("0", 64)})
	var moving bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White})
	require.NoError(t, gif.EncodeAll(&moving, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}))
	for name, data := range map[string][]byte{
		"text.png": []byte("text"), "cut.png": square(t, 3)[:20], "moving.gif": moving.Bytes(), "big.png": make([]byte, promptimage.MaxBytes+1),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, name), data, 0o600))
	}
	find := s.Images(t.Context())
	for uri, want := range map[string]string{
		"a.png":                              "image_missing: a path begins at the folder of the dataset's file, and these rows are not read from a file",
		"/x/none.png":                        "image_missing: /x/none.png: the file was not found; check the path",
		"/x/text.png":                        "image_invalid: text.png: the data is not a PNG, JPEG, GIF or WebP image",
		"/x/cut.png":                         "image_invalid: cut.png: the image/png image is damaged: it is truncated",
		"/x/moving.gif":                      "image_invalid: moving.gif: the image is animated",
		"/x/big.png":                         "image_missing: big.png: it has over 8 MiB; make it smaller",
		"data:image/png;base64,*":            "image_invalid: the data of the image is not valid base64",
		strings.Repeat("1", 64):              "image_missing: the image " + strings.Repeat("1", 64) + " is not stored for this tenant",
		"dataset:" + strings.Repeat("1", 64): "image_missing: the uploaded image is not stored for this tenant",
	} {
		for range 2 {
			_, err := find(uri)
			wrong, ok := err.(*rows.RowError) //nolint:errorlint // it is returned as it is
			require.True(t, ok, "%s: %v", uri, err)
			require.Equal(t, want, wrong.Code+": "+wrong.Reason)
			require.NotEmpty(t, wrong.Fix)
		}
	}
	f.down = fault.New(fault.Transport, "open", "x", "connection reset")
	_, err := find("/x/other.png")
	require.Equal(t, fault.Transport, fault.ClassOf(err))
}

// TestFetch: a trainer gets every image of its files once, and no other.
func TestFetch(t *testing.T) {
	t.Parallel()
	_, _, store := newSource(t, activities.Dataset{})
	dir := t.TempDir()
	write := func(name string, lines ...string) *training.File {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
		return &training.File{Path: path}
	}
	var sums []string
	for i := range 3 {
		data := square(t, i+1)
		sums = append(sums, sumOf(data))
		_, err := store.Put(t.Context(), training.ImageKey("acme", sums[i]), bytes.NewReader(data))
		require.NoError(t, err)
	}
	shown := func(sum string) string {
		return `{"messages":[{"role":"user","content":[{"type":"image","image":"` + sum + `"},{"type":"text","text":"{\"image\":\"x\"}"}]},{"role":"assistant","content":"b"}]}`
	}
	texts := write("texts", `{"prompt":"a \"image\":\"b\"","completion":"c"}`)
	folder, err := images.Fetch(t.Context(), store, "acme", dir, texts, nil)
	require.NoError(t, err)
	require.Empty(t, folder)
	for range 2 {
		folder, err = images.Fetch(t.Context(), store, "acme", dir, write("train", shown(sums[0]), shown(sums[1]), shown(sums[0])), write("eval", `{"anchor":"a","positive":{"image":"`+sums[1]+`"}}`))
		require.NoError(t, err)
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Len(t, files, 2)
	}
	data, err := os.ReadFile(filepath.Join(folder, sums[1]))
	require.NoError(t, err)
	require.Equal(t, square(t, 2), data)
	_, err = images.Fetch(t.Context(), store, "acme", dir, write("none", shown(strings.Repeat("2", 64))))
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, strings.Repeat("2", 64))
}
