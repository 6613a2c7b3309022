package training

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// surveyor goes through one file and remembers of each row two hashes and two
// lengths, no more.
type surveyor struct {
	o       CheckOptions
	open    Source
	survey  Survey
	log     *problemLog
	against *surveyor // of what is trained on, where this is the evaluation dataset

	shape         string            // of the rows; the first good one decides
	lines         map[uint64]uint32 // line of the first row of a digest
	questions     map[uint64]uint32 // rows by question
	chars, tokens []uint32
}

func newSurveyor(name string, open Source, o CheckOptions, log *problemLog) *surveyor {
	return &surveyor{
		o: o, open: open, log: log,
		survey: Survey{Name: name, Methods: []Method{}, DroppedBy: map[string]int{}, Roles: map[string]int{}, Turns: map[int]int{}},
		lines:  map[uint64]uint32{}, questions: map[uint64]uint32{},
	}
}

// run reads the whole file. What is wrong with its rows goes to the log; the
// error is one of the file or of the context.
func (s *surveyor) run(ctx context.Context) error {
	format := s.o.Format
	if format == "" {
		var err error
		if format, err = detectFormat(s.open, s.o.MaxRowBytes); err != nil {
			return s.fatal(err)
		}
	}
	s.survey.Format = format
	if method := format.Method(); method != "" {
		s.survey.Methods = []Method{method}
	}
	rows, sum, size, err := s.each(ctx, func(in *rowInput, raw rawRow, list []Row) error {
		for _, note := range in.notes {
			s.log.note(s.survey.Name, note, raw)
		}
		for _, row := range list {
			if err := s.count(row, raw); err != nil {
				return err
			}
		}
		return nil
	}, func(f *flaw, raw rawRow) {
		s.survey.Dropped++
		s.survey.DroppedBy[f.code]++
		s.log.drop(s.survey.Name, f, raw)
	})
	s.survey.Rows, s.survey.SHA256, s.survey.Bytes = rows, sum, size
	s.finish()
	return s.fatal(err)
}

// fatal logs a flaw of the whole file; other errors it returns.
func (s *surveyor) fatal(err error) error {
	if f, ok := errors.AsType[*flaw](err); ok {
		s.log.fatal(s.survey.Name, f)
		return nil
	}
	return err
}

// each calls keep with the canonical rows of every good row of the file, and
// drop with what is wrong with every other. It comes to the same verdict in
// every pass, as long as the file is the same.
func (s *surveyor) each(ctx context.Context, keep func(*rowInput, rawRow, []Row) error, drop func(*flaw, rawRow)) (n int, sum string, size int64, err error) {
	file, err := s.open()
	if err != nil {
		return 0, "", 0, err
	}
	defer file.Close()
	d, err := newDatasetReader(file, s.o.MaxRowBytes)
	if err != nil {
		return 0, "", 0, err
	}
	s.survey.Container = d.container()
	for {
		raw, err := d.next()
		if errors.Is(err, io.EOF) {
			return d.row, d.sha256(), d.size, nil
		}
		if err == nil && raw.row > s.o.MaxRows {
			err = &flaw{code: "too_many_rows", reason: fmt.Sprintf("it has more than %d rows; the rest was not read", s.o.MaxRows), fix: "take a sample, or raise the limit", fatal: true, line: raw.line, row: raw.row}
		}
		if err == nil && raw.row%256 == 1 {
			err = ctx.Err()
		}
		if err != nil {
			return max(0, d.row-1), "", d.size, err
		}
		in, list, err := s.convert(&raw)
		if f, ok := errors.AsType[*flaw](err); ok {
			drop(f, raw)
			continue
		}
		if err != nil {
			return d.row, "", d.size, err
		}
		if err := keep(in, raw, list); err != nil {
			return d.row, "", d.size, err
		}
	}
}

// convert makes canonical rows of a raw one, or says with a *flaw why not.
func (s *surveyor) convert(raw *rawRow) (*rowInput, []Row, error) {
	fields, err := rowFields(raw)
	if err != nil {
		return nil, nil, err
	}
	in := &rowInput{fields: fields}
	if err := s.mixed(in); err != nil {
		return nil, nil, err
	}
	list, err := in.convert(s.survey.Format)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range list {
		if s.shape == "" {
			s.shape = row.shape()
		}
		if row.shape() != s.shape {
			return nil, nil, &flaw{
				code: "mixed_format", reason: fmt.Sprintf("the row has %s, the first rows have %s", row.shape(), s.shape),
				fix: "write all rows of a file alike",
			}
		}
		if err := s.leaked(row); err != nil {
			return nil, nil, err
		}
	}
	return in, list, nil
}

// mixed refuses a row that is of another format than the first rows.
func (s *surveyor) mixed(in *rowInput) error {
	format, have := s.survey.Format, formatOf(in)
	if s.o.Format != "" || have == "" || have == format || format == FormatTriplet && have == FormatPair {
		return nil // what is missing, convert says better
	}
	return &flaw{
		code: "mixed_format", reason: fmt.Sprintf("the row is of the format %s, the first rows are of %s", have, format),
		fix: "keep one format in a file",
	}
}

// leaked refuses to evaluate with a row that is trained on.
func (s *surveyor) leaked(row Row) error {
	if s.against == nil {
		return nil
	}
	text, err := row.appendJSON(nil)
	if err != nil {
		return err
	}
	if line, ok := s.against.lines[digest(text)]; ok {
		return &flaw{
			code: "leak", reason: fmt.Sprintf("the same row is trained on (line %d of %s)", line, s.against.survey.Name),
			fix: "remove it from one of the two: it would measure memory, not ability",
		}
	}
	return nil
}
