package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/fault"
)

//go:embed eval.gohtml
var evalText string

// RenderEval writes r as a whole HTML document, under the rules of Render.
func RenderEval(w io.Writer, r eval.Report) error {
	page, err := template.New("eval").Parse(evalText)
	if err != nil {
		return fault.Wrap("", "render report", r.Queries, err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, newEvalPage(r)); err != nil {
		return fault.Wrap("", "render report", r.Queries, err)
	}
	_, err = w.Write(out.Bytes())
	return fault.Wrap(fault.Transport, "write report", r.Queries, err)
}
