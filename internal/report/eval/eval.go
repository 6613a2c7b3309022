// Package eval renders the report of a measurement of search quality: the scores of each
// rank profile, over all queries and for each query. It renders its input and does
// not access the index, stores or the reports of other features.
package eval

import (
	_ "embed"
	"io"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/report"
)

//go:embed eval.gohtml
var pageText string

// Searched describes the data that was searched.
type Searched = report.Searched

// Render writes r as a complete HTML document; from describes the searched data. Texts in both
// may be malicious. Errors of w are returned as report.Write returns them.
func Render(w io.Writer, r eval.Report, from Searched) error {
	return report.Write(w, "eval", pageText, r.Queries, newPage(r, from))
}
