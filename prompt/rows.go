package prompt

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/safetext"
)

// Limits of the images in a row. A row becomes a demo, and a request has several demos.
const (
	maxRowImages     = 32
	maxRowImageBytes = 4 << 20
	maxReason        = 300 // characters: it may quote the value
)

// Rows is ReadRows for the inputs of the program.
func (p *Program) Rows(set string, rows []*Object) ([]*Object, error) {
	return ReadRows(p.Inputs(), set, rows)
}

// ReadRows reads the values of a data set as inputs: images are checked. An error names the data
// set and the row.
func ReadRows(inputs []Field, set string, rows []*Object) ([]*Object, error) {
	if len(rows) == 0 {
		return rows, nil
	}
	read := make([]*Object, len(rows))
	for i, row := range rows {
		typed, err := WithImages(inputs, row)
		if err == nil {
			err = checkImages(typed)
		}
		if err != nil {
			return nil, fault.New(fault.Input, "read "+set, fmt.Sprintf("example %d", i+1), safetext.Line(err.Error(), maxReason))
		}
		read[i] = typed
	}
	return read, nil
}

func checkImages(row *Object) error {
	found := image.In(row)
	size := 0
	for _, shown := range found {
		size += shown.Bytes()
	}
	switch {
	case len(found) > maxRowImages:
		return fmt.Errorf("it has %d images; at most %d are supported", len(found), maxRowImages)
	case size > maxRowImageBytes:
		return fmt.Errorf("its images have %d bytes; at most %d are supported, because rows become demos; make them smaller", size, maxRowImageBytes)
	}
	return nil
}

// ReadDemos reads the images of stored demo sets, by predictor.
func (p *Program) ReadDemos(sets [][][]*Object) error {
	for i, ofPredictor := range sets[:min(len(sets), len(p.Predictors))] {
		for _, set := range ofPredictor {
			for k, demo := range set {
				typed, err := WithImages(p.Predictors[i].Inputs, demo)
				if err != nil {
					return fault.Wrap(fault.Input, "read demos", p.Predictors[i].Name, err)
				}
				set[k] = typed
			}
		}
	}
	return nil
}

// IsExtended reports whether a field has an image or a default.
func (f *Field) IsExtended() bool { return f.HoldsImages() || f.Default != nil }

// IsExtended reports whether the program or its rows need what former builds refuse:
// images, defaults, or rows without an optional input.
func (p *Program) IsExtended(sets ...[]*Object) bool {
	for _, predictor := range p.Predictors {
		for _, f := range predictor.Signature().Fields() {
			if f.IsExtended() {
				return true
			}
		}
	}
	inputs := p.Inputs()
	for _, row := range slices.Concat(sets...) {
		for _, f := range inputs {
			if _, ok := row.Get(f.Name); !ok {
				return true
			}
		}
	}
	return false
}
