// Package search renders the page of a search result: the frame of each hit, its caption
// and, if the video is on this machine, a player that starts at the hit. It renders its
// input and does not access the index, stores or other reports.
package search

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

// Answer is a query and its hits, best first.
type Answer struct {
	Query, Tenant, Rank string
	From                Searched
	Hits                []Hit
}

// Searched describes the data that was searched.
type Searched = report.Searched

// Hit is one hit with its frame and its video file.
type Hit struct {
	video.Hit
	Frame []byte // JPEG; empty = no picture
	File  string // absolute path of the video on this machine; empty = on another machine
}

// width of the frames, in pixels
const width = 480

//go:embed search.gohtml
var pageText string

//go:embed search.css
var pageStyle string

// page is the data of the template. Every string in it is already cleaned.
type page struct {
	report.Head
	Hits []card
}

type card struct {
	Rank, Name, Time, Score string
	Caption, OnScreen, Said string
	Preview                 bool
	Picture, Player         template.URL // empty = none
}

// Render writes a as a complete HTML document. Texts in a may be malicious. Errors of w are
// returned as report.Write returns them.
func Render(w io.Writer, a Answer) error {
	about := a.From.About(a.Tenant, report.Pair{Name: "Rank", Value: report.Clean(a.Rank, report.MaxName)})
	badges := []report.Badge{{Tone: "calm", Text: report.Plural(len(a.Hits), "hit")}}
	p := page{Head: report.NewHead("search report", report.Clean(a.Query, report.MaxReason), badges, about, pageStyle)}
	p.Plays = true
	for i, h := range a.Hits {
		c, err := newCard(i+1, h)
		if err != nil {
			return err
		}
		p.Hits = append(p.Hits, c)
	}
	return report.Write(w, "search", pageText, a.Query, p)
}

func newCard(rank int, h Hit) (card, error) {
	c := card{
		Rank: strconv.Itoa(rank), Name: report.Clean(h.Name, report.MaxReason), Preview: h.Preview,
		Time: clock(h.StartMS) + "–" + clock(h.EndMS), Score: fmt.Sprintf("%.4f", h.Score),
		Caption: report.Clean(h.Caption, report.MaxReason),
		Said:    report.Clean(h.Transcript, report.MaxReason),
	}
	if !strings.Contains(h.Caption, h.OnScreen) { // otherwise the caption already contains it
		c.OnScreen = report.Clean(h.OnScreen, report.MaxReason)
	}
	if len(h.Frame) > 0 {
		small, err := report.Thumb(h.Frame, width)
		if err != nil {
			return c, fault.Wrap(fault.Input, "render hit", h.FrameKey, err)
		}
		c.Picture = template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(small)) //nolint:gosec // our own JPEG
	}
	if h.File != "" {
		// The media fragment starts the player at the hit without a script.
		at := url.URL{Scheme: "file", Path: h.File, Fragment: fmt.Sprintf("t=%.3f", float64(h.StartMS)/1000)}
		c.Player = template.URL(at.String()) //nolint:gosec // the scheme is file, and the path is escaped
	}
	return c, nil
}

// clock formats milliseconds as video players do: 0:05, 1:02:03.
func clock(ms int64) string {
	s := ms / 1000
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
