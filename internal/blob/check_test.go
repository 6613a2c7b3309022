package blob_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/blobtest"
	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// contents are objects of every kind, by key, and how they are known to be whole.
func contents(t *testing.T) (data map[string]string, proofs map[string]string) {
	t.Helper()
	text := func(v any) string {
		out, err := json.Marshal(v)
		require.NoError(t, err)
		return string(out)
	}
	vector, err := video.Embedding{Dim: 2, Rows: 1, Floats: []float32{0.6, 0.8}}.MarshalBinary()
	require.NoError(t, err)
	rows := `{"a":1}` + "\n"
	file := training.CheckpointFile{Name: "weights.safetensors", Size: 7, SHA256: blobtest.Sum("weights")}
	data = map[string]string{
		"acme/captions/f.json":                                `{"text":"a tram"}`,
		"acme/embeddings/f.bin":                               string(vector),
		"acme/datasets/" + blobtest.Sum(rows) + ".jsonl":      rows,
		"acme/videos/v/frames/f/chunk-000000.json":            text(video.Chunk{Frames: []video.Frame{{PTSMS: 40, SHA256: blobtest.Sum("picture")}}}),
		"acme/videos/v/frames/f/40.jpg":                       "picture",
		"acme/adapters/x/1/manifest.json":                     text(map[string]any{"files": []training.CheckpointFile{file}}),
		"acme/adapters/x/1/weights.safetensors":               "weights",
		"acme/training/j/checkpoints/1/manifest.json":         text(map[string]any{"token": "t", "files": []training.CheckpointFile{file}}),
		"acme/training/j/checkpoints/1/t/weights.safetensors": "weights",
		"acme/reports/w/r.html":                               "<html></html>\n",
		"acme/videos/v/frames/f/audio-000000.flac":            "sound",
	}
	proofs = map[string]string{}
	for key := range data {
		switch filepath.Ext(key) {
		case ".jpg", ".safetensors":
			proofs[key] = "manifest"
		case ".jsonl":
			proofs[key] = "name"
		default: // a valid form says only that it is not cut short
			proofs[key] = ""
		}
	}
	return data, proofs
}

func check(t *testing.T, s blob.Store, o blob.CheckOptions) (map[blob.State]int, map[string]blob.Finding) {
	t.Helper()
	found := map[string]blob.Finding{}
	counts, err := blob.Check(t.Context(), s.(blob.Sealer), o, func(f blob.Finding) error {
		found[f.Key] = f
		return nil
	})
	require.NoError(t, err)
	return counts, found
}

// repairs checks a store whose objects have all lost their checksums.
func repairs(t *testing.T, s blob.Store, data, proofs map[string]string) {
	t.Helper()
	proven := 0
	for _, proof := range proofs {
		if proof != "" {
			proven++
		}
	}
	counts, found := check(t, s, blob.CheckOptions{Prefix: "acme/"})
	require.Equal(t, map[blob.State]int{blob.Repairable: proven, blob.Unproven: len(data) - proven}, counts)
	for key, f := range found {
		require.Equal(t, proofs[key], f.Proof, key)
		require.NotEmpty(t, f.Cause)
		require.NotEmpty(t, f.Fix)
		require.Error(t, read(s, key), "a check changes nothing")
	}
	counts, _ = check(t, s, blob.CheckOptions{Repair: true})
	require.Equal(t, map[blob.State]int{blob.Repaired: proven, blob.Unproven: len(data) - proven}, counts)
	counts, _ = check(t, s, blob.CheckOptions{Repair: true, Trust: true})
	require.Equal(t, map[blob.State]int{blob.Whole: proven, blob.Repaired: len(data) - proven}, counts)
	counts, found = check(t, s, blob.CheckOptions{Full: true})
	require.Equal(t, map[blob.State]int{blob.Whole: len(data)}, counts)
	require.Empty(t, found)
	for key, want := range data {
		r, info, err := s.Get(t.Context(), key)
		require.NoError(t, err, key)
		got, err := io.ReadAll(r)
		require.NoError(t, err, key)
		require.NoError(t, r.Close())
		require.Equal(t, want, string(got))
		require.Equal(t, blobtest.Sum(want), info.SHA256)
	}
}

// TestCheckAfterCopy copies a store with a tool that knows files and bytes only.
func TestCheckAfterCopy(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	data, proofs := contents(t)
	s := open(t, from)
	for key, text := range data {
		_, err := s.Put(t.Context(), key, strings.NewReader(text))
		require.NoError(t, err)
	}
	require.NoError(t, filepath.WalkDir(filepath.Join(from, "acme"), func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(from, name)
		bytes, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o700))
		return os.WriteFile(filepath.Join(to, rel), bytes, 0o600)
	}))
	repairs(t, open(t, to), data, proofs)
}

// TestCheckFindsDamage: what is not whole gets no checksum.
func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, _ := contents(t)
	s := open(t, dir)
	for key, text := range data {
		name := filepath.Join(dir, key)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		if strings.Contains(key, "manifest") || strings.Contains(key, "chunk") {
			_, err := s.Put(t.Context(), key, strings.NewReader(text))
			require.NoError(t, err)
			continue
		}
		require.NoError(t, os.WriteFile(name, []byte(text[:len(text)-2]), 0o600))
	}
	counts, _ := check(t, s, blob.CheckOptions{Repair: true})
	require.Equal(t, map[blob.State]int{blob.Whole: 3, blob.Damaged: len(data) - 4, blob.Unproven: 1}, counts)

	key := "acme/captions/torn.json"
	_, err := s.Put(t.Context(), key, strings.NewReader(`{"text":"a tram"}`))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, key), 2))
	_, found := check(t, s, blob.CheckOptions{Repair: true, Trust: true, Prefix: "acme/captions/t"})
	require.Equal(t, blob.Damaged, found[key].State, "its checksum is there, and its size is another")
	_, err = s.Put(t.Context(), key, strings.NewReader(`{"text":"a tram"}`))
	require.NoError(t, err)
	require.NoError(t, overwrite(filepath.Join(dir, key), `{"text":"A`))
	_, found = check(t, s, blob.CheckOptions{Prefix: "acme/captions/t"})
	require.Empty(t, found)
	_, found = check(t, s, blob.CheckOptions{Prefix: "acme/captions/t", Full: true})
	require.Equal(t, blob.Damaged, found[key].State)
}

// TestS3Check has objects that were uploaded by another tool.
func TestS3Check(t *testing.T) {
	at := s3test.Serve(t)
	s := openS3(t, at)
	place, err := s3.Parse(at)
	require.NoError(t, err)
	client, err := place.Client(t.Context())
	require.NoError(t, err)
	data, proofs := contents(t)
	for key, text := range data {
		_, err := client.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: &place.Bucket, Key: aws.String(key), Body: bytes.NewReader([]byte(text))})
		require.NoError(t, err)
	}
	repairs(t, s, data, proofs)
}

// TestCheckTakesNoFormForProof: a form that is still valid does not say that nothing is
// missing or changed.
func TestCheckTakesNoFormForProof(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for key, text := range map[string]string{
		"a/programs/x/1/trials.jsonl": `{"trial":1}` + "\n", // of three lines
		"a/programs/x/2/trials.jsonl": "\n",
		"a/captions/f.json":           `{"text":"a  weapon"}`, // was "no weapon"
	} {
		name := filepath.Join(dir, key)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	counts, found := check(t, s, blob.CheckOptions{Repair: true})
	require.Equal(t, map[blob.State]int{blob.Unproven: 3}, counts)
	require.Contains(t, found["a/captions/f.json"].Cause, "not truncated")
	require.NotContains(t, found["a/programs/x/1/trials.jsonl"].Cause, "not truncated")
	for key := range found {
		require.Error(t, read(s, key), key)
	}
}
