// Package report renders the page about a finished ingest run: one HTML file
// that needs no network, no script and no other file, on a screen, on paper, in
// light and in dark. It renders what it is given and knows no store, workflow
// or clock; the same report gives the same bytes.
package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// Widths in pixels that pictures are shrunk to where they are larger. Whoever
// gathers many frames does it by Thumb at once, to hold less memory.
const (
	ThumbWidth = 320 // in a contact sheet
	miniWidth  = 176 // in a list
)

//go:embed style.css
var style string

//go:embed page.gohtml
var pageText string

//go:embed video.gohtml
var videoText string

// Render writes r as a whole HTML document. Texts in r may be hostile and
// pictures broken; neither is an error. Errors of w are passed on: a fault as it
// is, any other as transport.
func Render(w io.Writer, r video.Report) error {
	page, err := template.New("page").Parse(videoText + pageText)
	if err != nil {
		return fault.Wrap("", "render report", r.WorkflowID, err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, newPage(r)); err != nil {
		return fault.Wrap("", "render report", r.WorkflowID, err)
	}
	_, err = w.Write(out.Bytes())
	return fault.Wrap(fault.Transport, "write report", r.WorkflowID, err)
}
