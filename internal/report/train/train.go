// Package train renders the reports of training runs and sweeps. It renders its input and
// does not access trainers, stores, workflows or the reports of other features.
package train

import (
	_ "embed"
	"io"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training/summary"
)

//go:embed train.gohtml
var pageText string

// Render writes r as a complete HTML document. Texts in r may be malicious. Errors of w are
// returned as report.Write returns them.
func Render(w io.Writer, r summary.Run) error {
	return report.Write(w, "train", pageText, r.Workflow, newPage(r))
}
