package config

import (
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/fault"
)

// Problem is one problem of the configuration.
type Problem struct {
	Place string `json:"place"` // path of the key ("cogflow.store"), variable, or file
	Text  string `json:"problem"`
	Fix   string `json:"fix"` // how to fix it
}

func (p Problem) String() string {
	text := p.Place + ": " + p.Text
	if p.Fix != "" {
		text += ", " + p.Fix
	}
	return text
}

// Problems lists all problems; empty = none.
type Problems []Problem

func (ps Problems) add(place string, err error) Problems {
	if err == nil {
		return ps
	}
	return append(ps, Problem{Place: place, Text: err.Error()})
}

func (ps Problems) fault(file string) error {
	if len(ps) == 0 {
		return nil
	}
	all := make([]error, len(ps))
	for i, p := range ps {
		all[i] = errors.New(p.String())
	}
	f := fault.New(fault.Input, "read configuration", file, "")
	if len(ps) > 1 {
		f.Reason = fmt.Sprintf("%d problems", len(ps))
	}
	f.Err = errors.Join(all...)
	return f
}
