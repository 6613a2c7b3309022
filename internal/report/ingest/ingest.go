// Package ingest renders the report of an ingest run: its stages over time, its videos
// with contact sheets, and its failures. It renders what it is given and knows nothing
// of stores, workflows or the reports of other features.
package ingest

import (
	_ "embed"
	"io"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

// Widths in pixels that pictures are shrunk to where they are larger. Whoever
// gathers many frames does it by Thumb at once, to hold less memory.
const (
	ThumbWidth = 320 // in a contact sheet
	miniWidth  = 176 // in a list
)

//go:embed page.gohtml
var pageText string

//go:embed video.gohtml
var videoText string

// Render writes r as a whole HTML document. Texts in r may be malicious and
// pictures broken; neither is an error. Errors of w are those of report.Write.
func Render(w io.Writer, r video.Report) error {
	return report.Write(w, "page", videoText+pageText, r.WorkflowID, newPage(r))
}
