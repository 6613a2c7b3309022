package report

import (
	"bytes"
	"html/template"
	"io"

	"github.com/cogniverse/cogflow/training/summary"

	_ "embed"

	"github.com/cogniverse/cogflow/fault"
)

//go:embed train.css
var trainStyle string

//go:embed train.gohtml
var trainText string

// RenderTrain writes r as a whole HTML document, under the rules of Render.
func RenderTrain(w io.Writer, r summary.Run) error {
	return renderTraining(w, "train", trainText, r.Workflow, newTrainPage(r))
}

// renderTraining prints a page through the template of its name.
func renderTraining(w io.Writer, name, text, workflow string, page any) error {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return fault.Wrap("", "render report", workflow, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, page); err != nil {
		return fault.Wrap("", "render report", workflow, err)
	}
	_, err = w.Write(out.Bytes())
	return fault.Wrap(fault.Transport, "write report", workflow, err)
}
