//go:build linux

package fleet

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // reads the index
)

var (
	// passing are objects that say when, how fast or by which run something was made. Adapters have
	// the weights of a training. Only a host with the trainer counts the tokens of a data set.
	passing = regexp.MustCompile(`^\.tmp/|^\w+/(reports|training|health)/|/claims?[./]|/_roles/|\.lengths\.json$|` +
		`/adapters/.*/(README\.md|manifest\.json|tensorboard/.*)$`)
	// dated are objects with such fields, which passingFields names.
	dated = regexp.MustCompile(`/programs/.*/manifest\.json$|/optimize/.*/result\.json$|/videos/\w+/index/\w+\.json$`)
)

func passingFields() []string { return []string{"stages", "created", "report"} }

// checkEqual compares what the fleet has made with what one host has made, byte for byte.
func (f *fleet) checkEqual() {
	f.t.Helper()
	many, one := lasting(f, f.objects()), lasting(f, f.singleObjects())
	maps.DeleteFunc(many, func(key, _ string) bool { // the jobs with which those during faults are compared
		tenant, _, _ := strings.Cut(key, "/")
		return strings.HasSuffix(tenant, "-"+calm)
	})
	require.Equal(f.t, slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(many)))
	kinds := map[string]int{}
	for key, content := range one {
		require.Equal(f.t, content, many[key], key)
		kinds[strings.Split(key, "/")[1]]++
	}
	for _, kind := range []string{"videos", "captions", "embeddings", "transcripts", "lm", "programs", "adapters"} {
		require.NotZero(f.t, kinds[kind], kind)
	}
	documents := f.documents(index, ".cogflow/index.db", "default")
	require.NotEmpty(f.t, documents)
	require.Equal(f.t, f.documents(single, "index.db", "default"), documents)
	f.t.Logf("equal: %d documents and the objects %v", len(documents), kinds)
}

// lasting leaves out what depends on the time, and more fields of dated objects.
func lasting(f *fleet, objects map[string][]byte, more ...string) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for key, content := range objects {
		if passing.MatchString(key) {
			continue
		}
		if dated.MatchString(key) {
			var fields map[string]any
			require.NoError(f.t, json.Unmarshal(content, &fields), key)
			for _, name := range append(passingFields(), more...) {
				delete(fields, name)
			}
			var err error
			content, err = json.Marshal(fields)
			require.NoError(f.t, err)
		}
		out[key] = string(content)
	}
	return out
}

// objects returns all objects of the fleet's store.
func (f *fleet) objects() map[string][]byte {
	f.t.Helper()
	out := map[string][]byte{}
	pages := s3.NewListObjectsV2Paginator(f.store, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(f.t.Context())
		require.NoError(f.t, err)
		for _, o := range page.Contents {
			answer, err := f.store.GetObject(f.t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: o.Key})
			require.NoError(f.t, err, *o.Key)
			out[*o.Key], err = io.ReadAll(answer.Body)
			require.NoError(f.t, err, *o.Key)
			require.NoError(f.t, answer.Body.Close())
		}
	}
	return out
}

// singleObjects returns all objects of the store of the single host.
func (f *fleet) singleObjects() map[string][]byte {
	f.t.Helper()
	out, root := map[string][]byte{}, filepath.Join(f.net.Host(single).Dir, "store")
	require.NoError(f.t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(root, path)
		require.NoError(f.t, err)
		out[name], err = os.ReadFile(path)
		return err
	}))
	return out
}

// documents returns the documents of a tenant in the index on a host, from a copy of its files.
func (f *fleet) documents(host, file, tenant string) (all []string) {
	f.t.Helper()
	db := f.copied(host, file)
	defer db.Close()
	rows, err := db.QueryContext(f.t.Context(), `SELECT d.doc, json_array(g.video, g.generation, d.uri, d.name, d.pts_ms, d.start_ms, d.end_ms,
		d.caption, d.on_screen_text, d.transcript, d.frame_key, d.preview, d.kind, d.language), d.embedding
		FROM document d JOIN generation g ON g.id = d.generation JOIN scope s ON s.id = g.scope WHERE g.published IS NOT NULL AND s.tenant = ? ORDER BY g.video, d.doc`, tenant)
	require.NoError(f.t, err)
	defer rows.Close()
	for rows.Next() {
		var id, fields string
		var embedding []byte
		require.NoError(f.t, rows.Scan(&id, &fields, &embedding))
		all = append(all, fmt.Sprintln(id, fields, hex.EncodeToString(embedding)))
	}
	require.NoError(f.t, rows.Err())
	return all
}

// copied opens a copy of a SQLite database on a host.
func (f *fleet) copied(host, file string) *sql.DB {
	f.t.Helper()
	at := filepath.Join(f.t.TempDir(), "copy.db")
	for _, part := range []string{"", "-wal"} {
		content, err := os.ReadFile(filepath.Join(f.net.Host(host).Dir, file+part))
		if part != "" && errors.Is(err, fs.ErrNotExist) {
			continue // it was closed
		}
		require.NoError(f.t, err)
		require.NoError(f.t, os.WriteFile(at+part, content, 0o600))
	}
	db, err := sql.Open("sqlite", at)
	require.NoError(f.t, err)
	return db
}
