package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// exchange is one request as it was sent, and the response of the fake.
type exchange struct {
	Method string `json:"method"`
	Path   string `json:"path"` // with its query
	Body   string `json:"body,omitempty"`
	Status int    `json:"status"`
	Answer string `json:"answer"`
}

// recording has the requests of the index of one profile.
type recording struct {
	Schema    string     `json:"schema"`
	Exchanges []exchange `json:"exchanges"`
}

// recorder forwards requests to a fake and records those to the two document APIs.
type recorder struct {
	next http.Handler
	mu   sync.Mutex
	kept []exchange
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	sent, err := io.ReadAll(q.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	q.Body = io.NopCloser(bytes.NewReader(sent))
	answer := httptest.NewRecorder()
	r.next.ServeHTTP(answer, q)
	if q.Header.Get("Content-Encoding") == "gzip" {
		if sent, err = gunzip(sent); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if strings.HasPrefix(q.URL.Path, "/document/v1/") || q.URL.Path == "/search/" {
		r.mu.Lock()
		r.kept = append(r.kept, exchange{q.Method, q.RequestURI, string(sent), answer.Code, answer.Body.String()})
		r.mu.Unlock()
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client gets a truncated response and fails
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// listen serves a handler on loopback over HTTP/1.1 and h2c.
func listen(ctx context.Context, h http.Handler) (url string, closeServer func() error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(l) }() // ends with Close
	return "http://" + l.Addr().String(), server.Close, nil
}

// open deploys a package to a new fake and opens an index there.
func open(
	ctx context.Context, t tenant.ID, p video.Profile, files []vespa.File,
) (index *vespa.Index, r *recorder, url string, done func(), err error) {
	r = &recorder{next: vespatest.New()}
	url, closeServer, err := listen(ctx, r)
	if err != nil {
		return nil, nil, "", nil, err
	}
	if _, err = vespa.Deploy(ctx, url, files); err == nil {
		index, err = vespa.Open(vespa.Options{URL: url, Tenants: []tenant.ID{t}, Profiles: []video.Profile{p}})
	}
	if err != nil {
		return nil, nil, "", nil, errors.Join(err, closeServer())
	}
	return index, r, url, func() { _ = index.Close(); _ = closeServer() }, nil
}

// record stores, publishes, searches and removes a video.
func record(ctx context.Context, t tenant.ID, p video.Profile, files []vespa.File) (*recording, error) {
	index, r, _, done, err := open(ctx, t, p, files)
	if err != nil {
		return nil, err
	}
	defer done()
	docs, g := documents(t, p, 6)
	if err := index.Upsert(ctx, docs[:5]); err != nil {
		return nil, err
	}
	g.Documents = 5
	if _, err := index.Publish(ctx, g); err != nil {
		return nil, err
	}
	// One document is added late; the next publication makes it visible.
	if err := index.Upsert(ctx, docs[5:]); err != nil {
		return nil, err
	}
	g.Documents = 6
	if _, err := index.Publish(ctx, g); err != nil {
		return nil, err
	}
	if err := search(ctx, index, p, docs); err != nil {
		return nil, err
	}
	for _, d := range docs {
		if e, err := index.Vector(ctx, t, p.Name, d.ID); err != nil || !reflect.DeepEqual(e, d.Embedding) {
			return nil, fmt.Errorf("the vector of %s is not the one that was stored: %w", d.ID, err)
		}
	}
	if _, err := index.DeleteVideo(ctx, t, p.Name, g.Video); err != nil {
		return nil, err
	}
	return &recording{Schema: vespa.SchemaName(p.Name, t), Exchanges: r.kept}, nil
}

// search sends a query for every rank profile that scores vectors.
func search(ctx context.Context, index *vespa.Index, p video.Profile, docs []video.Document) error {
	ranks := []video.Rank{"default", "binary_binary", "float_binary", "vector"}
	if p.Embed.Keep != video.KeepBits {
		ranks = append(ranks, "float_float", "phased")
	}
	for _, rank := range ranks {
		hits, err := index.Search(ctx, video.Query{
			Tenant: docs[0].Tenant, Profile: p.Name, Embedding: embedding(p, 3, 1000), Limit: 10, Rank: rank,
		})
		if err != nil {
			return fmt.Errorf("rank %s: %w", rank, err)
		}
		if len(hits) != len(docs) {
			return fmt.Errorf("rank %s: found %d of %d documents", rank, len(hits), len(docs))
		}
	}
	filters := []video.Filter{
		{Videos: []string{string(docs[0].Video), "another"}, FromMS: 1500, ToMS: 1 << 30, PerVideo: 3},
		{Kinds: []video.Kind{video.FrameDocument, video.AudioDocument}},
		{Kinds: []video.Kind{video.SpeechDocument, video.AudioDocument}, Languages: []string{"en", "de"}},
	}
	for _, filter := range filters {
		for _, rank := range []video.Rank{video.RankBM25, video.RankHybrid, "bm25_no_description", "hybrid_binary_bm25"} {
			if _, err := index.Search(ctx, video.Query{
				Tenant: docs[0].Tenant, Profile: p.Name, Text: `Car "turns" OR 日本語 @tenant); -x`, Embedding: embedding(p, 3, 1000),
				Limit: 10, Rank: rank, Filter: filter,
			}); err != nil {
				return fmt.Errorf("rank %s: %w", rank, err)
			}
		}
	}
	return nil
}

// documents makes documents with texts that are difficult to encode.
func documents(t tenant.ID, p video.Profile, n int) ([]video.Document, video.Generation) {
	const id video.ID = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	generation := p.Generation(id)
	texts := []string{
		"A red car turns left.", "quotes \" and \\ and </script>", "日本語の字幕 und Straße", "emoji 🎬 and\ttab\nline",
		"refused by Vespa: \x00 \uffff end", "",
	}
	docs := make([]video.Document, n)
	for i := range docs {
		f := video.Frame{PTSMS: int64(i) * 1000}
		docs[i] = video.Document{
			ID: video.DocumentID(t, generation, f), Tenant: t, Profile: p.Name, Video: id, Generation: generation,
			URI: "s3://library/a clip%20.mp4", Name: "a clip.mp4", PTSMS: f.PTSMS, StartMS: f.PTSMS, EndMS: f.PTSMS + 1000,
			Caption: texts[i%len(texts)], OnScreenText: texts[(i+1)%len(texts)], Transcript: texts[(i+2)%len(texts)],
			FrameKey: fmt.Sprintf("%s/videos/%s/frames/%d.jpg", t, id, f.PTSMS), Embedding: embedding(p, 4, int64(i)).Kept(p.Embed.Keep),
		}
		if i == n-1 {
			docs[i].Kind, docs[i].Language = video.SpeechDocument, "de"
		}
	}
	return docs, video.Generation{
		Tenant: t, Profile: p.Name, Video: id, Generation: generation, Documents: n,
		URI: docs[0].URI, Name: docs[0].Name, DurationMS: int64(n) * 1000,
	}
}

// embedding returns a reproducible embedding of a profile's shape, with zeros and negative
// numbers.
func embedding(p video.Profile, rows int, seed int64) video.Embedding {
	if !p.Embed.Multi {
		rows = 1
	}
	e := video.Embedding{Dim: p.Embed.Dim, Rows: rows, Floats: make([]float32, rows*p.Embed.Dim)}
	state := uint64(seed)*2862933555777941757 + 3037000493
	for i := range e.Floats {
		state = state*6364136223846793005 + 1442695040888963407
		if i%17 != 0 {
			e.Floats[i] = float32(int32(state>>32)) / (1 << 31)
		}
	}
	return e
}
