// Package report is the common part of all HTML reports. A report is a single file without
// scripts, network access or other files; it supports screens, paper, light and dark mode.
// The package makes texts safe to show, formats numbers and times, draws curves and renders
// pages. It does not depend on features, stores, workflows or a clock: equal input gives
// equal bytes. The report of each feature is a subpackage; no report imports another.
package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Style is the style sheet of every page.
//
//go:embed style.css
var Style string

// CurveStyle follows Style on pages with curves, verdicts and settings.
//
//go:embed curve.css
var CurveStyle string

// Pair is a line of a list of facts.
type Pair struct{ Name, Value string }

// Tile is a large number at the head of a page, with its label.
type Tile struct{ Value, Label, Note, Tone string }

// Badge is a short text for an outcome. Tones are "good", "warn", "bad" and "calm".
type Badge struct{ Tone, Text string }

// Command is a command line and its purpose.
type Command struct{ Purpose, Line string }

// Write renders a page as a complete HTML document. Its template can use the shared
// templates. Errors name subject. A fault.Error of w is returned unchanged; any other error
// of w becomes a transport fault.
func Write(w io.Writer, name, text, subject string, page any) error {
	t, err := template.New(name).Parse(sharedText + text)
	if err != nil {
		return fault.Wrap("", "render report", subject, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, page); err != nil {
		return fault.Wrap("", "render report", subject, err)
	}
	_, err = w.Write(bytes.TrimLeft(out.Bytes(), "\n"))
	return fault.Wrap(fault.Transport, "write report", subject, err)
}

// Known leaves out the pairs without a value.
func Known(list []Pair) []Pair {
	kept := list[:0]
	for _, p := range list {
		if p.Value != "" && p.Value != Absent {
			kept = append(kept, p)
		}
	}
	return kept
}

// Again is the command that finishes or repeats the run. It is empty if the id cannot be
// shown unchanged: the command would be for another run.
func Again(id string) string {
	if id == "" || Clean(id, MaxReason) != id {
		return ""
	}
	if strings.HasPrefix(id, "-") {
		return "cogflow redrive -- " + Quote(id)
	}
	return "cogflow redrive " + Quote(id)
}
