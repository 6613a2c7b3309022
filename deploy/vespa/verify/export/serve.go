package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	feedDocuments = 3000
	feedRounds    = 5
)

// served is printed to standard output: the address of the fake, and the time of each round
// of this program's feeder.
type served struct {
	URL       string    `json:"url"`
	Documents int       `json:"documents"`
	Bytes     int       `json:"bytes"` // of one round, before compression
	Seconds   []float64 `json:"seconds"`
}

// handshake responds to the dry run with which Vespa's feed client starts.
func handshake(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("dryRun") != "true" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"pathId":"`+r.URL.Path+`"}`) // the client may have disconnected
	})
}

// serve feeds a fake, writes the same puts to DIR/feed.json for Vespa's feed client, and
// keeps serving until standard input ends.
func serve(ctx context.Context, dir string) error {
	const owner tenant.ID = "acme"
	p := video.LocalPreview()
	files, err := vespa.Package([]tenant.ID{owner}, []video.Profile{p}, vespa.PackageOptions{})
	if err != nil {
		return err
	}
	url, closeServer, err := listen(ctx, handshake(vespatest.New()))
	if err != nil {
		return err
	}
	defer func() { _ = closeServer() }()
	if _, err := vespa.Deploy(ctx, url, files); err != nil {
		return err
	}
	index, err := vespa.Open(vespa.Options{URL: url, Tenants: []tenant.ID{owner}, Profiles: []video.Profile{p}})
	if err != nil {
		return err
	}
	defer func() { _ = index.Close() }()
	docs, _ := documents(owner, p, feedDocuments)
	said := served{URL: url, Documents: len(docs)}
	puts := make([]map[string]string, len(docs))
	for i, d := range docs {
		put, err := vespa.EncodeDocument(p, d)
		if err != nil {
			return err
		}
		said.Bytes += len(put.Body)
		puts[i] = map[string]string{"id": put.ID, "method": http.MethodPost, "path": put.Path, "body": string(put.Body)}
	}
	data, err := json.Marshal(puts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "feed.json"), data, 0o644); err != nil {
		return err
	}
	for range feedRounds {
		start := time.Now()
		if err := index.Upsert(ctx, docs); err != nil {
			return err
		}
		said.Seconds = append(said.Seconds, time.Since(start).Seconds())
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return fmt.Errorf("wait for the end of standard input: %w", err)
	}
	return nil
}
