// Package eval measures searches against relevance judgments: how much of what is
// relevant comes back, and how far up. It runs no search: the caller gives the hits.
package eval

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
)

// Limits of a query file. A query is at most as long as in a search.
const (
	MaxQueries  = 10_000
	MaxRelevant = 1000 // of one query
	MaxGrade    = 10

	maxFile  = 64 << 20 // bytes
	maxLine  = 1 << 20
	maxQuery = 4096
	maxVideo = 4096
)

// Query is one line of a query file: a search and its relevant results.
type Query struct {
	Query    string   `json:"query"`
	Relevant []Judged `json:"relevant"` // at least one
}

// Judged is a video, or a time range of one, that a person judged relevant.
type Judged struct {
	Video   string `json:"video"` // id, file name or URI
	StartMS int64  `json:"start_ms,omitempty"`
	EndMS   int64  `json:"end_ms,omitempty"` // exclusive; 0 = the whole video
	Grade   int    `json:"grade"`            // 1 (relevant) to MaxGrade; 1 may be omitted
}

// UnmarshalJSON reads a missing grade as 1. A grade of 0 is kept, so that ParseQueries
// refuses it.
func (j *Judged) UnmarshalJSON(data []byte) error {
	type plain Judged // without this method
	p := plain{Grade: 1}
	if err := strictjson.Unmarshal(data, &p); err != nil {
		return err
	}
	*j = Judged(p)
	return nil
}

// ParseQueries reads JSON lines, one Query per line; empty lines are ignored. It is strict,
// because a misspelled field would silently change the result. name is the file in errors,
// which have the class input and the line number.
func ParseQueries(r io.Reader, name string) ([]Query, error) {
	var queries []Query
	seen := map[string]int{} // query → line
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	line, size := 0, 0
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Input, "read queries", name, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
	}
	for lines.Scan() && lines.Err() == nil { // the last line before an error may be truncated
		line++
		if size += len(lines.Bytes()) + 1; size > maxFile {
			return nil, refuse("the file has more than %d MiB", maxFile>>20)
		}
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		q, err := parseQuery(text)
		if err != nil {
			return nil, refuse("%v", err)
		}
		if before := seen[q.Query]; before != 0 {
			return nil, refuse("the query %q is on line %d already", q.Query, before)
		}
		if len(queries) == MaxQueries {
			return nil, refuse("a file has at most %d queries", MaxQueries)
		}
		seen[q.Query] = line
		queries = append(queries, q)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		line++
		return nil, refuse("a line has at most %d MiB", maxLine>>20)
	case err != nil:
		return nil, fault.Wrap(fault.Transport, "read queries", name, err)
	case len(queries) == 0:
		return nil, fault.New(fault.Input, "read queries", name, `it has no queries; write lines like {"query": "a red car", "relevant": [{"video": "a.mp4"}]}`)
	}
	return queries, nil
}

func parseQuery(line []byte) (Query, error) {
	var q Query
	if !utf8.Valid(line) {
		return q, errors.New("it is not UTF-8")
	}
	if err := strictjson.Unmarshal(line, &q); err != nil {
		return q, err
	}
	return q, q.check()
}

func (q Query) check() error {
	switch {
	case q.Query == "":
		return errors.New(`"query" is required`)
	case len(q.Query) > maxQuery:
		return fmt.Errorf(`"query" has %d bytes, want at most %d`, len(q.Query), maxQuery)
	case len(q.Relevant) == 0:
		return errors.New(`"relevant" is required: a query without a relevant result measures nothing`)
	case len(q.Relevant) > MaxRelevant:
		return fmt.Errorf(`"relevant" has %d items, want at most %d`, len(q.Relevant), MaxRelevant)
	}
	seen := map[Judged]bool{}
	for i, item := range q.Relevant {
		if err := item.check(); err != nil {
			return fmt.Errorf("relevant item %d: %w", i+1, err)
		}
		item.Grade = 0 // the same moment twice is a mistake, whatever the grades
		if seen[item] {
			return fmt.Errorf("relevant item %d: it is listed twice", i+1)
		}
		seen[item] = true
	}
	return nil
}

func (j Judged) check() error {
	switch {
	case j.Video == "":
		return errors.New(`"video" is required: a file name, an id or a URI`)
	case len(j.Video) > maxVideo:
		return fmt.Errorf(`"video" has %d bytes, want at most %d`, len(j.Video), maxVideo)
	case j.Grade < 1 || j.Grade > MaxGrade:
		return errors.New(`"grade" is ` + strconv.Itoa(j.Grade) + ", want 1 to " + strconv.Itoa(MaxGrade) + "; leave out what is not relevant")
	case j.StartMS < 0 || j.EndMS < 0:
		return errors.New(`"start_ms" and "end_ms" must not be negative`)
	case j.StartMS > 0 && j.EndMS == 0:
		return errors.New(`"start_ms" requires an "end_ms"`)
	case j.EndMS > 0 && j.EndMS <= j.StartMS:
		return errors.New(`"end_ms" must be after "start_ms"`)
	}
	return nil
}
