package training

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
)

// Answer is what a model answers to a held-out row (trainer/PROTOCOL.md). It is for people
// to read; no metric depends on it.
type Answer struct {
	Row  int    `json:"row"`
	Text string `json:"text"`
	Cut  bool   `json:"cut"` // it reached the limit before its end
}

// AnswersName is the name of the file of answers of an evaluation (OfBase, OfBest).
func AnswersName(of string) string { return of + "-answers.jsonl" }

// maxAnswers limits the answers of an evaluation; the trainer writes five.
const maxAnswers = 100

// ReadAnswers reads the answers of an evaluation, by row.
func ReadAnswers(r io.Reader) (map[int]*Answer, error) {
	const op = "read answers"
	out := map[int]*Answer{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxRowLine)
	for lines.Scan() {
		var a Answer
		line := fmt.Sprintf("line %d", len(out)+1)
		if err := strictjson.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fault.Wrap(fault.Input, op, line, err)
		}
		if a.Row < 0 || out[a.Row] != nil || len(out) == maxAnswers {
			return nil, fault.New(fault.Input, op, line, fmt.Sprintf("row %d is unexpected", a.Row))
		}
		out[a.Row] = &a
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	return out, fault.Disk(op, "", lines.Err())
}
