package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
)

// script reports what is installed without importing it, which would take half a
// minute.
const script = `import importlib.metadata as m, importlib.util as u, json, os, platform
versions = {"python": platform.python_version()}
missing = [] if u.find_spec("trainer") else ["trainer"]
for name in ("torch", "transformers", "accelerate", "peft", "trl", "sentence-transformers", "datasets"):
    try:
        versions[name] = m.version(name)
    except m.PackageNotFoundError:
        missing.append(name)
os.write(3, json.dumps({"versions": versions, "missing": missing}).encode())
`

// Check returns quickly which versions of Python and of the libraries the trainer
// would use. The fault names what is not installed.
func (r *Runner) Check(ctx context.Context) (map[string]string, error) {
	const checkOp = "check the trainer"
	if strings.Contains(r.options.Python, "/") { // a sandbox says only that it could not start it
		if _, err := os.Stat(r.options.Python); errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Input, checkOp, r.options.Python, "it is not installed; "+install)
		}
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp("", "cogflow-check-")
	if err != nil {
		return nil, fault.Disk(checkOp, os.TempDir(), err)
	}
	defer os.RemoveAll(dir)
	p, err := r.start(dir, "", nil, nil, "-c", script)
	if err != nil {
		return nil, r.startFault(err)
	}
	panics.Go(func() error { p.watch(limited, r.options.Grace, nil, nil); return nil }, p.onPanic)
	out, _ := io.ReadAll(io.LimitReader(p, 64<<10)) // truncated output is invalid JSON
	closeAll(p.events)
	<-p.gone
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var found struct {
		Versions map[string]string `json:"versions"`
		Missing  []string          `json:"missing"`
	}
	if err := json.Unmarshal(out, &found); err != nil || p.code() != 0 {
		return nil, fault.New(fault.Input, checkOp, r.options.Python, withTail("this Python does not work; "+install, p.stderr.String()))
	}
	if len(found.Missing) > 0 {
		slices.Sort(found.Missing)
		return nil, fault.New(fault.Input, checkOp, filepath.Clean(r.options.Python),
			"not installed: "+strings.Join(found.Missing, ", ")+"; "+install)
	}
	return found.Versions, nil
}
