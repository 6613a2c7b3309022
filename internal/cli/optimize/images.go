package optimize

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cogniverse/cogflow/activities/optimize/rowimage"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// embed replaces the local image files in the inputs of the rows by their data, in a new file that
// is uploaded instead. Without such rows, the set is unchanged.
func (s *set) embed(ctx context.Context, inputs []prompt.Field) (err error) {
	if s.name == "" || transfer.Remote(s.name) || !slices.ContainsFunc(inputs, func(f prompt.Field) bool { return f.HoldsImages() }) {
		return nil
	}
	reader := &rowimage.Reader{Documents: transfer.Beside(filepath.Dir(s.name)), Inputs: inputs, Skip: transfer.Remote}
	rows, err := os.Open(s.name)
	if err != nil {
		return fault.Wrap(fault.Input, "read "+s.flag, s.name, err)
	}
	defer rows.Close()
	made, err := os.CreateTemp("", s.flag+"-*.jsonl")
	if err != nil {
		return fault.Disk("write "+s.flag, s.name, err)
	}
	s.made = made.Name()
	size, n := int64(0), 0
	var all []json.RawMessage
	err = examples(rows, func(raw json.RawMessage) error {
		row := &prompt.Object{}
		if err := json.Unmarshal(raw, row); err != nil {
			return fault.Wrap(fault.Input, "read "+s.flag, s.name, err)
		}
		n++
		if !python.IsFinite(row) {
			return fault.New(fault.Input, "read "+s.flag, fmt.Sprintf("example %d", n), "a number is out of range")
		}
		if err := reader.Row(ctx, s.flag, n, row); err != nil {
			return err
		}
		line := []byte(python.Dumps(row) + "\n")
		if size += int64(len(line)); size < maxInline {
			all = append(all, line)
		}
		_, err := made.Write(line)
		return fault.Disk("write "+s.flag, made.Name(), err)
	})
	if closed := made.Close(); err == nil {
		err = fault.Disk("write "+s.flag, made.Name(), closed)
	}
	if err != nil || reader.Files() == 0 {
		return err
	}
	s.name, s.size, s.text = made.Name(), size, nil
	if size < maxInline {
		s.text, err = json.Marshal(all)
	}
	return err
}

// close removes the file that embed made.
func (s *set) close() {
	if s.made != "" {
		_ = os.Remove(s.made) // in the folder for temporary files
	}
}
