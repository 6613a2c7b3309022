// Package ingest renders the report of an ingest run: its stages over time, its videos
// with contact sheets, and its failures. It renders its input and does not access stores,
// workflows or the reports of other features.
package ingest

import (
	_ "embed"
	"io"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

// Larger pictures are shrunk to these widths, in pixels. A caller that collects many frames
// should shrink each one immediately with report.Thumb, to save memory.
const (
	ThumbWidth = 320 // in a contact sheet
	miniWidth  = 176 // in a list
)

//go:embed page.gohtml
var pageText string

//go:embed video.gohtml
var videoText string

// Render writes r as a complete HTML document. Malicious texts and broken pictures in r are
// not errors. Errors of w are returned as report.Write returns them.
func Render(w io.Writer, r video.Report) error {
	return report.Write(w, "page", videoText+pageText, r.WorkflowID, newPage(r))
}
