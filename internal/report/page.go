// Package report holds what all HTML reports share. A report is one file that needs no
// network, no script and no other file, on a screen, on paper, in light and in dark. The
// package makes texts safe to show, writes numbers and times as people read them, draws
// curves and prints pages. It knows no feature, store, workflow or clock; the same values
// give the same bytes. Each feature's report has a package of its own below, and none of
// them imports another.
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

// Tile is a large number at the head of a page, with what it counts.
type Tile struct{ Value, Label, Note, Tone string }

// Badge says in a word or two how something ended. Tones are "good", "warn",
// "bad" and "calm".
type Badge struct{ Tone, Text string }

// Command is a command line, and what it does.
type Command struct{ Says, Line string }

// Write prints a page through a template, which can use the shared ones, as a whole HTML
// document. Errors name
// subject. Those of w are passed on: a fault as it is, any other as transport.
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

// Known leaves out the pairs that say nothing.
func Known(list []Pair) []Pair {
	kept := list[:0]
	for _, p := range list {
		if p.Value != "" && p.Value != Absent {
			kept = append(kept, p)
		}
	}
	return kept
}

// Again is the command that finishes or repeats the run; empty when the id
// cannot be shown as it is, since a command for another run would be worse.
func Again(id string) string {
	if id == "" || Clean(id, MaxReason) != id {
		return ""
	}
	if strings.HasPrefix(id, "-") {
		return "cogflow redrive -- " + Quote(id)
	}
	return "cogflow redrive " + Quote(id)
}
