package dataset

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// Severity is the effect of a problem: an error drops the row or fails the check, a warning
// needs attention, and an info explains what was done.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warn"
	SeverityInfo    Severity = "info"
)

// CheckOptions says what a dataset is for and which problems are tolerated. The zero value
// means the defaults of Prepare.
type CheckOptions struct {
	Name     string // name of the dataset in problems; empty = "dataset"
	EvalName string // the same for held-out rows; empty = "eval dataset"

	Method training.Method // empty = what Choose selects for the rows
	Format rows.Format     // empty = detected from the first rows; FormatText = texts unchanged, including markers of turns

	MaxSeqLength int // tokens, to estimate truncation; 0 = no estimate

	// AllowDropped is how many rows with errors may be left out: a share below 1, a number
	// of rows from 1 on. With 0 any such row fails the check.
	AllowDropped float64

	// ValidationShare of the rows is held out if no evaluation dataset is given, see Split;
	// 0 = DefaultValidationShare, negative = no rows are held out.
	ValidationShare float64
	Seed            int64

	Images     rows.Images // finds the images of rows; nil = rows with images are refused
	EvalImages rows.Images // the same for held-out rows of a file of their own

	// Weights of the rows that are rated good and bad, for kto; 0 = 1.
	DesirableWeight, UndesirableWeight float64

	MaxRows     int // 0 = DefaultMaxRows
	MaxRowBytes int // of one row of JSON; 0 = DefaultMaxRowBytes

	Thresholds Thresholds // of Choose; the zero value = DefaultThresholds
}

// Limits of a dataset unless the options say otherwise.
const (
	DefaultMaxRows         = 3_000_000
	DefaultMaxRowBytes     = 8 << 20
	DefaultValidationShare = 0.1

	maxProblems = 50 // listed in a report; all are counted
)

// Check is the report on a dataset.
type Check struct {
	OK     bool            `json:"ok"`               // true if the dataset can be trained on
	Method training.Method `json:"method,omitempty"` // method that the rows suit; empty = none
	Choice *Choice         `json:"choice,omitempty"` // how the method was chosen; null if it was given

	Train Survey  `json:"train"`          // the training file
	Eval  *Survey `json:"eval,omitempty"` // the evaluation file; null if none was given

	// The files that Prepare wrote, without a path; nil before.
	TrainFile *training.File `json:"train_file,omitempty"` // canonical rows for training; null until they are written
	EvalFile  *training.File `json:"eval_file,omitempty"`  // canonical rows for evaluation; null if none are held out
	HeldOut   int            `json:"held_out,omitempty"`   // rows split off, if no evaluation dataset was given

	Measured   *training.DataStats `json:"measured,omitempty"`   // counts of the model's tokenizer and chat template; null = lengths are estimates
	Unmeasured string              `json:"unmeasured,omitempty"` // why the tokens were not counted

	TrainLines Lines `json:"train_lines,omitempty"` // where the rows of TrainFile begin in their file; empty = not known
	EvalLines  Lines `json:"eval_lines,omitempty"`  // the same for EvalFile

	MayDrop *training.MayDrop `json:"may_drop,omitempty"` // further rows that may be left out for their length; null until rows are written

	Errors      int            `json:"errors"`      // number of errors
	Problems    []Problem      `json:"problems"`    // the first 50, errors before warnings
	Counts      map[string]int `json:"counts"`      // number of problems by code
	Suggestions []string       `json:"suggestions"` // improvements that are not required
}

// Survey describes the content of one dataset file.
type Survey struct {
	Name      string            `json:"name"`       // file name or URI
	SHA256    string            `json:"sha256"`     // of the file as it is
	Bytes     int64             `json:"bytes"`      // size of the file
	Container string            `json:"container"`  // "jsonl", "json", "csv", "tsv" or "parquet"
	Format    rows.Format       `json:"format"`     // detected format of the rows
	Methods   []training.Method `json:"methods"`    // methods that the format suits
	Rows      int               `json:"rows"`       // rows in the file
	Kept      int               `json:"kept"`       // usable rows, before any split
	Dropped   int               `json:"dropped"`    // rows with errors
	DroppedBy map[string]int    `json:"dropped_by"` // rows by the code of their first error

	Images int `json:"images,omitempty"` // images that the usable rows show

	Duplicates      int `json:"duplicates"`       // rows equal to an earlier one
	RepeatedPrompts int `json:"repeated_prompts"` // rows with the prompt of an earlier row and another answer
	Leaks           int `json:"leaks"`            // of an evaluation file: rows whose prompt is trained on

	Good int `json:"rated_good,omitempty"` // rows that are rated good
	Bad  int `json:"rated_bad,omitempty"`  // rows that are rated bad

	Characters Spread `json:"characters"`       // length of a row, in characters
	Tokens     Spread `json:"estimated_tokens"` // of a row, without what a chat template adds beyond 5 tokens per message; see EstimateTokens

	// With CheckOptions.MaxSeqLength, both estimated.
	Truncated int `json:"estimated_truncated"` // rows longer than max_seq_length, estimated
	NoRoom    int `json:"estimated_no_room"`   // rows whose prompt alone is longer than max_seq_length, estimated

	Roles map[string]int `json:"roles,omitempty"` // messages by role
	Turns map[int]int    `json:"turns,omitempty"` // conversations by their number of answers
}

// Spread is the distribution of a length over the rows.
type Spread struct {
	P50   int   `json:"p50"`   // median
	P90   int   `json:"p90"`   // 90th percentile
	P99   int   `json:"p99"`   // 99th percentile
	Max   int   `json:"max"`   // maximum
	Total int64 `json:"total"` // sum
}

// Problem is an error or a warning about a dataset, with its fix.
type Problem struct {
	Severity Severity `json:"severity"`        // error or warning
	Code     string   `json:"code"`            // kind of the problem
	File     string   `json:"file"`            // file name or URI
	Line     int      `json:"line,omitempty"`  // line where the row begins, from 1; 0 = the whole file, or a file without lines
	Row      int      `json:"row,omitempty"`   // row, from 1
	Field    string   `json:"field,omitempty"` // field of the row
	Reason   string   `json:"reason"`          // what is wrong
	Fix      string   `json:"fix,omitempty"`   // what to do
}

// String reads `line 3 (row 3), field "chosen": reason; fix`.
func (p Problem) String() string {
	var where []string
	if p.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", p.Line))
	}
	if p.Row > 0 && p.Row != p.Line {
		where = append(where, fmt.Sprintf("row %d", p.Row))
	}
	if p.Field != "" {
		where = append(where, fmt.Sprintf("field %q", p.Field))
	}
	text := p.Reason
	if len(where) > 0 {
		text = strings.Join(where, ", ") + ": " + text
	}
	if p.Fix != "" {
		text += "; " + p.Fix
	}
	return text
}

// maxNamed is the number of problems in an error; the report has more.
const maxNamed = 5

// Err returns nil for a dataset that can be trained on, else a fault.Input that
// names the first errors with their lines, reasons and fixes.
func (c Check) Err() error {
	if c.OK {
		return nil
	}
	name, named := c.Train.Name, []string{}
	for i, p := range c.Problems {
		if p.Severity != SeverityError || len(named) == maxNamed {
			break // sorted by severity
		}
		text := p.String()
		if i == 0 {
			name = p.File
		} else if p.File != name {
			text = p.File + ": " + text
		}
		named = append(named, text)
	}
	if len(named) > 1 { // a message may be shown as one line
		for i, text := range named {
			named[i] = fmt.Sprintf("(%d) %s", i+1, text)
		}
	}
	if more := c.Errors - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return fault.New(fault.Input, "check dataset", name, strings.Join(named, "\n"))
}
