package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/table"
)

// surveyor reads one file and keeps only two hashes and two lengths per row.
type surveyor struct {
	o       CheckOptions
	open    rows.Source
	survey  Survey
	log     *problemLog
	against *surveyor // survey of the training file, if this is the evaluation dataset

	mayDrop       int               // further rows that may be left out
	shape         string            // of the rows; the first valid one decides
	lines         map[uint64]uint32 // line of the first row of a digest, or its number in a file that counts rows
	questions     map[uint64]uint32 // rows by question
	good          map[uint64]uint32 // those that are rated good
	answers       sides             // pairs, triplets and rated answers: preferred and rejected texts, by prompt or anchor
	texts         sides             // triplets: the same, whatever the anchor
	chars, tokens []uint32
}

func newSurveyor(name string, open rows.Source, o CheckOptions, log *problemLog) *surveyor {
	return &surveyor{
		o: o, open: open, log: log,
		survey: Survey{Name: name, Methods: []training.Method{}, DroppedBy: map[string]int{}, Roles: map[string]int{}, Turns: map[int]int{}},
		lines:  map[uint64]uint32{}, questions: map[uint64]uint32{}, good: map[uint64]uint32{}, answers: newSides(), texts: newSides(),
	}
}

// run reads the whole file. Problems of rows go to the log; the error is one of the file or
// of the context.
func (s *surveyor) run(ctx context.Context) error {
	format := s.o.Format
	if format == "" {
		var err error
		if format, err = rows.DetectFormat(s.table, s.o.Method); err != nil {
			return s.fatal(err)
		}
	}
	s.survey.Format = format
	if method := fits(format, s.o.Method); method != "" {
		s.survey.Methods = []training.Method{method}
	}
	rows, sum, size, err := s.each(ctx, func(in *rows.RowInput, raw rows.RawRow, list []rows.Row) error {
		for _, note := range in.Notes {
			s.log.note(s.survey.Name, note, raw)
		}
		for _, row := range list {
			if err := s.count(row, raw); err != nil {
				return err
			}
		}
		return nil
	}, func(f *rows.RowError, raw rows.RawRow) {
		s.survey.Dropped++
		s.survey.DroppedBy[f.Code]++
		s.log.drop(s.survey.Name, f, raw)
	})
	s.survey.Rows, s.survey.SHA256, s.survey.Bytes = rows, sum, size
	s.finish()
	return s.fatal(err)
}

// table opens the file at its first row.
func (s *surveyor) table() (rows.Table, error) {
	return table.Open(s.survey.Name, s.open, s.o.MaxRowBytes)
}

// where names a row of s.lines.
func (s *surveyor) where(line uint32) string {
	if rows.ByRow(s.survey.Container) {
		return fmt.Sprintf("row %d", line)
	}
	return fmt.Sprintf("line %d", line)
}

// fatal logs a problem of the whole file and returns other errors.
func (s *surveyor) fatal(err error) error {
	if f, ok := errors.AsType[*rows.RowError](err); ok {
		s.log.fatal(s.survey.Name, f)
		return nil
	}
	return err
}

// each calls keep with the canonical rows of every valid row of the file, and drop with the
// problem of every other. Every pass over the same file has the same result.
func (s *surveyor) each(ctx context.Context, keep func(*rows.RowInput, rows.RawRow, []rows.Row) error, drop func(*rows.RowError, rows.RawRow)) (n int, sum string, size int64, err error) {
	d, err := s.table()
	if err != nil {
		return 0, "", 0, err
	}
	defer d.Close()
	s.survey.Container = d.Container()
	for {
		raw, err := d.Next()
		if errors.Is(err, io.EOF) {
			return d.Count(), d.SHA256(), d.Bytes(), nil
		}
		if err == nil && raw.Row > s.o.MaxRows {
			err = &rows.RowError{Code: "too_many_rows", Reason: fmt.Sprintf("it has more than %d rows; the rest was not read", s.o.MaxRows), Fix: "take a sample, or raise the limit", Fatal: true, Line: raw.Line, Row: raw.Row}
		}
		if err == nil && raw.Row%256 == 1 {
			err = ctx.Err()
		}
		if err != nil {
			return max(0, d.Count()-1), "", d.Bytes(), err
		}
		in, list, err := s.convert(&raw)
		if f, ok := errors.AsType[*rows.RowError](err); ok {
			drop(f, raw)
			continue
		}
		if err != nil {
			return d.Count(), "", d.Bytes(), err
		}
		if err := keep(in, raw, list); err != nil {
			return d.Count(), "", d.Bytes(), err
		}
	}
}

// convert makes canonical rows of a raw one; its error is a *rows.RowError.
func (s *surveyor) convert(raw *rows.RawRow) (*rows.RowInput, []rows.Row, error) {
	fields, err := rows.RowFields(raw)
	if err != nil {
		return nil, nil, err
	}
	in := &rows.RowInput{Fields: fields, Images: s.o.Images}
	if err := s.mixed(in); err != nil {
		return nil, nil, err
	}
	list, err := in.Convert(s.survey.Format)
	if err != nil {
		return nil, nil, err
	}
	if s.o.Method == training.KTO && s.survey.Format.Method() == training.DPO {
		list = list[0].Unpair()
	}
	for _, row := range list {
		if s.shape == "" {
			s.shape = row.Shape()
		}
		if row.Shape() != s.shape {
			return nil, nil, &rows.RowError{
				Code: "mixed_format", Reason: fmt.Sprintf("the row has %s, the first rows have %s", row.Shape(), s.shape),
				Fix: "use one format for all rows of a file",
			}
		}
		if err := s.leaked(row); err != nil {
			return nil, nil, err
		}
	}
	return in, list, nil
}

// mixed refuses a row whose format differs from the first rows.
func (s *surveyor) mixed(in *rows.RowInput) error {
	format, have := s.survey.Format, rows.FormatOf(in, s.o.Method)
	lacks := format == rows.FormatTriplet && have == rows.FormatPair || format == rows.FormatRated && have.Method() == training.SFT
	if s.o.Format != "" || have == "" || have == format || lacks {
		return nil // convert reports missing fields better
	}
	return &rows.RowError{
		Code: "mixed_format", Reason: fmt.Sprintf("the row is of the format %s, the first rows are of %s", have, format),
		Fix: "keep one format in a file",
	}
}

// leaked refuses an evaluation row that is also a training row.
func (s *surveyor) leaked(row rows.Row) error {
	if s.against == nil {
		return nil
	}
	text, err := row.AppendJSON(nil)
	if err != nil {
		return err
	}
	if first, ok := s.against.lines[rows.Digest(text)]; ok {
		return &rows.RowError{
			Code: "leak", Reason: fmt.Sprintf("the same row is trained on (%s of %s)", s.against.where(first), s.against.survey.Name),
			Fix: "remove it from one of the two: it would measure memory, not ability",
		}
	}
	return nil
}
