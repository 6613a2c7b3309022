package search

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows/ingest"

	searchreport "github.com/cogniverse/cogflow/internal/report/search"
	"github.com/cogniverse/cogflow/object"
)

// pageFlags are the flags for an HTML page of the hits.
type pageFlags struct {
	file string // empty = a temporary file, if the page is opened
	open bool
}

// maxFrame bounds the size of a frame.
const maxFrame = 32 << 20 // bytes

// page writes and opens the HTML page of a search, according to the flags.
func (a app) page(ctx context.Context, f pageFlags, in ingest.SearchInput, label string, r ingest.SearchResult) error {
	if f.file == "" && !f.open {
		return nil
	}
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	answer := searchreport.Answer{Query: label, Tenant: in.Tenant, Rank: in.Rank, From: about([]*ingest.Searched{r.Searched})}
	answer.From.Profile = cmp.Or(answer.From.Profile, in.Profile)
	for _, h := range r.Hits {
		hit := searchreport.Hit{Hit: h, File: localFile(h.URI)}
		if hit.Frame, err = frame(ctx, store, h.FrameKey); err != nil {
			return err
		}
		answer.Hits = append(answer.Hits, hit)
	}
	var page bytes.Buffer
	if err := searchreport.Render(&page, answer); err != nil {
		return err
	}
	if f.file == "" {
		temporary, err := os.CreateTemp("", "cogflow-search-*.html")
		if err != nil {
			return fault.Disk("write page", "", err)
		}
		f.file = temporary.Name()
		if err := temporary.Close(); err != nil {
			return fault.Disk("write page", f.file, err)
		}
	}
	if err := os.WriteFile(f.file, page.Bytes(), 0o600); err != nil {
		return fault.Disk("write page", f.file, err)
	}
	if !a.Quiet {
		a.Note("Page: %s", f.file)
	}
	if f.open {
		return cli.OpenFile(ctx, f.file)
	}
	return nil
}

// about describes the data that was searched. The searches of an evaluation can differ while
// workers are upgraded; then all values are listed. Workers of earlier builds report nothing.
func about(searches []*ingest.Searched) searchreport.Searched {
	var out searchreport.Searched
	runs := 0
	var profiles, indexes, versions, describe, embed []string
	for _, s := range searches {
		if s == nil {
			continue
		}
		if out.Time.IsZero() || s.Time.Before(out.Time) {
			out.Time, out.Run = s.Time, s.Run
		}
		runs++
		for _, v := range []struct {
			list *[]string
			text string
		}{{&profiles, s.Profile}, {&indexes, s.Index}, {&versions, s.Version}, {&describe, s.Describe}, {&embed, s.Embed}} {
			if v.text != "" && !slices.Contains(*v.list, v.text) {
				*v.list = append(*v.list, v.text)
			}
		}
	}
	all := func(list []string) string { return strings.Join(list, ", ") }
	out.Profile, out.Index, out.Version = all(profiles), all(indexes), all(versions)
	out.Describe, out.Embed = all(describe), all(embed)
	if runs > 1 {
		out.Run += fmt.Sprintf(" and %d more searches", runs-1)
	}
	return out
}

// frame reads the frame of a hit; it returns nothing if the store does not have it.
func frame(ctx context.Context, store blob.Store, key string) ([]byte, error) {
	if key == "" {
		return nil, nil
	}
	r, _, err := store.Get(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxFrame))
}

// localFile is the path of a video on this machine; "" = the video is not here.
func localFile(uri string) string {
	path := uri
	if u, err := url.Parse(uri); err == nil && u.Scheme == "file" {
		path = u.Path
	} else if strings.Contains(uri, "://") {
		return ""
	}
	if info, err := os.Stat(path); err != nil || !filepath.IsAbs(path) || !info.Mode().IsRegular() {
		return ""
	}
	return path
}
