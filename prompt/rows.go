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

// Rows reads the values of a data set as the program's inputs: images are checked. An error
// names the data set and the row.
func (p *Program) Rows(set string, rows []*Object) ([]*Object, error) {
	if len(rows) == 0 {
		return rows, nil
	}
	inputs := p.Inputs()
	read := make([]*Object, len(rows))
	for i, row := range rows {
		typed, err := WithImages(inputs, row)
		if err == nil {
			err = checkImages(inputs, typed)
		}
		if err != nil {
			return nil, fault.New(fault.Input, "read "+set, fmt.Sprintf("example %d", i+1), safetext.Line(err.Error(), maxReason))
		}
		read[i] = typed
	}
	return read, nil
}

func checkImages(inputs []Field, row *Object) error {
	count, size := 0, 0
	for i := range inputs {
		v, _ := row.Get(inputs[i].Name)
		for _, found := range image.In(v) {
			count++
			size += found.Bytes()
		}
	}
	switch {
	case count > maxRowImages:
		return fmt.Errorf("it has %d images; at most %d are supported", count, maxRowImages)
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

// IsExtended reports whether the program or its rows need what former builds refuse:
// images, defaults, or rows without an optional input.
func (p *Program) IsExtended(sets ...[]*Object) bool {
	for _, predictor := range p.Predictors {
		for _, f := range predictor.Signature().Fields() {
			if f.HoldsImages() || f.Default != nil {
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
