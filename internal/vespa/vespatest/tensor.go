package vespatest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// tensor is a list of rows; one row if it has no mapped dimension. int8 cells
// keep their bytes.
type tensor struct {
	labels []string
	floats [][]float64
	bytes  [][]byte
}

// parseTensor parses a tensor of a document: only hexadecimal blocks or values, in lower
// case, with the exact number of digits of the cell type.
func (f *field) parseTensor(raw json.RawMessage) (*tensor, error) {
	var body struct {
		Blocks map[string]string `json:"blocks"`
		Values *string           `json:"values"`
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return nil, err
	}
	t := &tensor{}
	switch {
	case f.mapped == "" && body.Values != nil && body.Blocks == nil:
		return t, f.addRow(t, "", *body.Values)
	case f.mapped != "" && body.Blocks != nil && body.Values == nil:
		for _, label := range slices.Sorted(maps.Keys(body.Blocks)) {
			if err := f.addRow(t, label, body.Blocks[label]); err != nil {
				return nil, fmt.Errorf("block %s: %w", label, err)
			}
		}
		return t, nil
	default:
		return nil, fmt.Errorf("wants %s", map[bool]string{true: "blocks", false: "values"}[f.mapped != ""])
	}
}

// short is the form in which Vespa returns a tensor: com.yahoo.tensor.serialization.JsonFormat
// with the default of format.tensors.
func (t *tensor) short(f *field) any {
	rows := map[string]any{}
	for i, label := range t.labels {
		if f.cells != "int8" {
			rows[label] = t.floats[i]
			continue
		}
		cells := make([]int8, len(t.bytes[i]))
		for k, b := range t.bytes[i] {
			cells[k] = int8(b)
		}
		rows[label] = cells
	}
	if f.mapped == "" {
		return map[string]any{"type": fmt.Sprintf("tensor<%s>(v[%d])", f.cells, f.size), "values": rows[""]}
	}
	return map[string]any{"type": fmt.Sprintf("tensor<%s>(%s{},v[%d])", f.cells, f.mapped, f.size), "blocks": rows}
}

func (f *field) addRow(t *tensor, label, digits string) error {
	per := map[string]int{"int8": 1, "bfloat16": 2, "float": 4}[f.cells]
	raw, err := hex.DecodeString(digits)
	switch {
	case err != nil:
		return err
	case digits != strings.ToLower(digits):
		return fmt.Errorf("digits must be lower case")
	case len(raw) != per*f.size:
		return fmt.Errorf("%d hexadecimal digits, want %d", len(digits), 2*per*f.size)
	}
	t.labels = append(t.labels, label)
	if f.cells == "int8" {
		t.bytes = append(t.bytes, raw)
		return nil
	}
	row := make([]float64, f.size)
	for i := range row {
		bits := uint32(raw[per*i])<<24 | uint32(raw[per*i+1])<<16
		if per == 4 {
			bits |= uint32(raw[per*i+2])<<8 | uint32(raw[per*i+3])
		}
		row[i] = float64(math.Float32frombits(bits))
		if math.IsNaN(row[i]) || math.IsInf(row[i], 0) {
			return fmt.Errorf("cell %d is not a number", i)
		}
	}
	t.floats = append(t.floats, row)
	return nil
}

// parseInput reads a query tensor: a list of cells, or lists by label.
func (f *field) parseInput(raw json.RawMessage) (*tensor, error) {
	rows := map[string][]float64{}
	var err error
	if f.mapped == "" {
		var row []float64
		err = json.Unmarshal(raw, &row)
		rows[""] = row
	} else {
		err = json.Unmarshal(raw, &rows)
	}
	if err != nil {
		return nil, err
	}
	t := &tensor{}
	for _, label := range slices.Sorted(maps.Keys(rows)) {
		row := rows[label]
		if len(row) != f.size {
			return nil, fmt.Errorf("query(%s): %d cells, want %d", f.name, len(row), f.size)
		}
		t.labels = append(t.labels, label)
		if f.cells != "int8" {
			t.floats = append(t.floats, row)
			continue
		}
		bytes := make([]byte, len(row))
		for i, cell := range row {
			if cell != math.Trunc(cell) || cell < -128 || cell > 127 {
				return nil, fmt.Errorf("query(%s): %v is not an int8", f.name, cell)
			}
			bytes[i] = byte(int8(cell))
		}
		t.bytes = append(t.bytes, bytes)
	}
	return t, nil
}
