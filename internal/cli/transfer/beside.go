package transfer

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// Beside is the folder of a local file. It opens the image files that the rows of that file name.
type Beside string

// Open opens a file of this machine, as the user who runs the command may. A relative path
// begins at the folder.
func (folder Beside) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	name := folder.Path(uri)
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, "", fault.New(fault.Input, "read image", name, "must be a regular file")
	}
	if err != nil {
		return nil, "", fault.Wrap(fault.Input, "read image", name, err)
	}
	file, err := os.Open(name)
	return file, name, fault.Wrap(fault.Input, "read image", name, err)
}

// Path is where a file lies that a row names.
func (folder Beside) Path(uri string) string {
	name := filepath.FromSlash(strings.TrimPrefix(uri, "file://"))
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(string(folder), name)
}
