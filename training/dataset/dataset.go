// Package dataset checks a dataset before a GPU is taken: problems by line, lengths,
// duplicates and leaks, the split into training and held-out rows, and the method that the
// rows suit. It knows nothing of models or GPUs.
package dataset

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// Prepare checks a dataset and writes it as canonical rows (trainer/PROTOCOL.md): training
// rows to train, held-out rows to held. eval is the evaluation dataset; nil = a part of
// source is held out. Either writer may be io.Discard.
//
// An unsuitable dataset is returned as a fault.Input beside a Check whose OK is false;
// nothing is written then. Errors of a source or a writer are returned unchanged.
func Prepare(ctx context.Context, o CheckOptions, source, eval rows.Source, train, held io.Writer) (Check, error) {
	o, err := o.filled()
	if err != nil {
		return Check{}, err
	}
	p := &preparation{o: o, log: &problemLog{}}
	if err := p.look(ctx, source, eval); err != nil {
		return Check{}, err
	}
	p.judge()
	if err := p.check.Err(); err != nil {
		return p.check, err
	}
	return p.check, p.write(ctx, train, held)
}

func (o CheckOptions) filled() (CheckOptions, error) {
	refuse := func(format string, args ...any) (CheckOptions, error) {
		return o, fault.New(fault.Input, "check dataset", o.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case o.Method != "" && !slices.Contains(training.Methods(), o.Method):
		return refuse("unknown method %q: use %s", o.Method, training.MethodNames())
	case o.Format != "" && o.Format.Method() == "":
		return refuse("unknown format %q: use one of %v", o.Format, rows.Formats())
	case !(o.AllowDropped >= 0) || o.AllowDropped >= 1 && o.AllowDropped != float64(int(o.AllowDropped)):
		return refuse("allow_dropped is %v: use a share below 1, or a number of rows", o.AllowDropped)
	case !(o.ValidationShare < 1):
		return refuse("validation share is %v: use less than 1", o.ValidationShare)
	case o.MaxSeqLength < 0 || o.MaxRows < 0 || o.MaxRowBytes < 0:
		return refuse("limits must not be negative")
	}
	set := func(to *int, value int) {
		if *to == 0 {
			*to = value
		}
	}
	set(&o.MaxRows, DefaultMaxRows)
	set(&o.MaxRowBytes, DefaultMaxRowBytes)
	if o.ValidationShare == 0 {
		o.ValidationShare = DefaultValidationShare
	}
	if o.Name == "" {
		o.Name = "dataset"
	}
	if o.EvalName == "" {
		o.EvalName = "eval dataset"
	}
	o.Thresholds = o.Thresholds.filled()
	return o, nil
}

// preparation is one run of Prepare.
type preparation struct {
	o     CheckOptions
	log   *problemLog
	check Check

	train, eval *surveyor       // eval = nil: no evaluation dataset
	held        map[uint64]bool // questions that are held out
}

// look reads the files.
func (p *preparation) look(ctx context.Context, source, eval rows.Source) error {
	p.train = newSurveyor(p.o.Name, source, p.o, p.log)
	if err := p.train.run(ctx); err != nil || eval == nil {
		return err
	}
	o := p.o
	o.Format = "" // may be another format of the same method
	o.Images = p.o.EvalImages
	if p.o.Format == rows.FormatText {
		o.Format = rows.FormatText
	}
	p.eval = newSurveyor(p.o.EvalName, eval, o, p.log)
	p.eval.against = p.train
	return p.eval.run(ctx)
}

// write makes the second pass.
func (p *preparation) write(ctx context.Context, train, held io.Writer) error {
	trained, out := newRowWriter(train), newRowWriter(held)
	err := p.copy(ctx, p.train, func(row rows.Row, line int) error {
		if p.held[rows.Digest([]byte(rows.Normal(row.Question())))] {
			return out.write(row, line)
		}
		return trained.write(row, line)
	})
	if err == nil && p.eval != nil {
		err = p.copy(ctx, p.eval, out.write)
	}
	if err != nil {
		return err
	}
	p.check.MayDrop = &training.MayDrop{Train: p.train.mayDrop}
	if p.eval != nil {
		p.check.MayDrop.Eval = &p.eval.mayDrop
	}
	if p.check.TrainFile, err = trained.end(); err != nil {
		return err
	}
	p.check.TrainLines, p.check.EvalLines = trained.lines.lines, out.lines.lines
	if p.check.EvalFile, err = out.end(); out.rows == 0 {
		p.check.EvalFile = nil
	}
	return err
}

// copy passes every valid row to write, and checks that the file is still the same.
func (p *preparation) copy(ctx context.Context, s *surveyor, write func(row rows.Row, place int) error) error {
	_, sum, _, err := s.each(ctx, func(_ *rows.RowInput, raw rows.RawRow, list []rows.Row) error {
		place := raw.Line
		if rows.ByRow(s.survey.Container) {
			place = raw.Row
		}
		for _, row := range list {
			if err := write(row, place); err != nil {
				return err
			}
		}
		return nil
	}, func(*rows.RowError, rows.RawRow) {})
	if f, fatal := err.(*rows.RowError); err == nil && sum != s.survey.SHA256 || fatal && f != nil { //nolint:errorlint // each returns it as it is
		return fault.New(fault.Input, "read dataset", s.survey.Name, "it changed while it was read; start again when no program writes to it")
	}
	return err
}

// rowWriter writes canonical rows and records their hash and number.
type rowWriter struct {
	out    *bufio.Writer
	sum    hash.Hash
	rows   int
	lines  lineWriter
	buffer []byte
}

func newRowWriter(w io.Writer) *rowWriter {
	sum := sha256.New()
	return &rowWriter{out: bufio.NewWriterSize(io.MultiWriter(w, sum), rows.ReadAhead), sum: sum}
}

func (w *rowWriter) write(row rows.Row, line int) (err error) {
	if w.buffer, err = row.AppendJSON(w.buffer[:0]); err != nil {
		return err
	}
	w.rows++
	w.lines.add(line)
	w.buffer = append(w.buffer, '\n')
	_, err = w.out.Write(w.buffer)
	return err
}

func (w *rowWriter) end() (*training.File, error) {
	if err := w.out.Flush(); err != nil {
		return nil, err
	}
	return &training.File{SHA256: hex.EncodeToString(w.sum.Sum(nil)), Rows: w.rows}, nil
}
