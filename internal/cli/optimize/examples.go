package optimize

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/strictjson"
)

// set is a local file of examples, or the URI from which a worker reads them.
type set struct {
	flag, name string
	into       *json.RawMessage
	text       json.RawMessage // one JSON array; nil = not a local file, or too large for the input
	first      *prompt.Object  // the first example of a local file
	size       int64
	made       string // temporary file with the data of images; "" = none
}

// read checks that a local file contains examples, and keeps the text of a small file.
func (s *set) read() (err error) {
	if s.name == "" || transfer.Remote(s.name) {
		return nil
	}
	bad := func(n int, err error) error {
		return fault.Wrap(fault.Input, "read "+s.flag, fmt.Sprintf("%s, example %d", s.name, n), err)
	}
	file, err := os.Open(s.name)
	if err != nil {
		return fault.Wrap(fault.Input, "read "+s.flag, s.name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return fault.New(fault.Input, "read "+s.flag, s.name, "must be a regular file of JSON lines or one JSON array")
	}
	s.size = info.Size()
	var all []json.RawMessage
	n := 0
	err = examples(file, func(raw json.RawMessage) error {
		n++
		example := &prompt.Object{}
		if err := strictjson.Unmarshal(raw, example); err != nil || example.Len() == 0 {
			return bad(n, errors.Join(errors.New("must be an object with the program's inputs and the expected outputs"), err))
		}
		if n == 1 {
			s.first = example
		}
		if s.size < maxInline {
			all = append(all, raw)
		}
		return nil
	})
	switch {
	case fault.ClassOf(err) != "":
		return err
	case err != nil:
		return bad(n+1, err)
	case n == 0:
		return fault.New(fault.Input, "read "+s.flag, s.name, "it contains no examples")
	case s.size >= maxInline:
		return nil
	}
	s.text, err = json.Marshal(all)
	return err
}

// examples calls each for every value of a JSON array or of JSON lines.
func examples(r io.Reader, each func(json.RawMessage) error) error {
	buffered := bufio.NewReader(r)
	list, err := startsList(buffered)
	if err != nil {
		return err
	}
	d := json.NewDecoder(buffered)
	if list {
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	for {
		if list && !d.More() {
			if _, err := d.Token(); err != nil {
				return err
			}
			if _, err := d.Token(); !errors.Is(err, io.EOF) {
				return errors.New("unexpected content after the array")
			}
			return nil
		}
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) && !list {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(raw); err != nil {
			return err
		}
	}
}

// startsList skips white space and reports whether an array begins.
func startsList(r *bufio.Reader) (bool, error) {
	for {
		b, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return b == '[', r.UnreadByte()
		}
	}
}
