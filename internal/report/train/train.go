// Package train renders the reports of trainings and of sweeps over their settings. It
// renders what it is given and knows nothing of trainers, stores, workflows or the
// reports of other features.
package train

import (
	_ "embed"
	"io"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training/summary"
)

//go:embed train.gohtml
var pageText string

// Render writes r as a whole HTML document. Texts in r may be malicious. Errors of w are
// those of report.Write.
func Render(w io.Writer, r summary.Run) error {
	return report.Write(w, "train", pageText, r.Workflow, newPage(r))
}
