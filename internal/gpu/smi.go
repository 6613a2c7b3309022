package gpu

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
)

const readOp = "read the GPUs"

// SMI reads devices by nvidia-smi, the driver's own tool. It needs no C library, but a reading
// takes up to seconds on a host without persistence mode, and it reports no Xids.
type SMI struct {
	// Run runs the tool with arguments and returns what it prints, also together with an error.
	Run func(ctx context.Context, args ...string) ([]byte, error)
}

// FindSMI finds the tool. A host without it has no driver: found is false.
func FindSMI() (s *SMI, found bool, err error) {
	tool, err := exec.LookPath("nvidia-smi")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fault.Wrap(fault.Input, readOp, "nvidia-smi", err)
	}
	return SMIAt(tool), true, nil
}

// SMIAt is SMI with the tool at a path.
func SMIAt(tool string) *SMI {
	return &SMI{Run: func(ctx context.Context, args ...string) ([]byte, error) {
		return sandbox.Tool(ctx, sandbox.Command{Path: tool, Args: args, Env: []string{"LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin"}})
	}}
}

// Source is the name of the tool.
func (*SMI) Source() string { return "nvidia-smi" }

// Fresh is long: each reading starts three processes.
func (*SMI) Fresh() time.Duration { return 5 * time.Second }

// Xids returns none: the tool does not report them.
func (*SMI) Xids() []Xid { return nil }

// Close does nothing.
func (*SMI) Close() error { return nil }

// Fields that every driver of the last ten years knows: an unknown one fails the whole query.
const (
	gpuQuery   = "--query-gpu=index,uuid,pci.bus_id,name,memory.total,memory.used,mig.mode.current,ecc.errors.uncorrected.volatile.total"
	remapQuery = "--query-remapped-rows=gpu_uuid,remapped_rows.failure"
	appsQuery  = "--query-compute-apps=gpu_uuid,pid,used_memory"
	asCSV      = "--format=csv,noheader,nounits"
)

// Read asks the tool several times. Only the list of devices must succeed: drivers and GPUs
// differ in what else they can say.
func (s *SMI) Read(ctx context.Context) ([]Device, error) {
	out, err := s.ask(ctx, gpuQuery, asCSV)
	if err != nil {
		return nil, err
	}
	devices, split, err := parseQuery(out)
	if err != nil || len(devices) == 0 {
		return nil, err
	}
	if out, err := s.ask(ctx, remapQuery, asCSV); err == nil {
		remapped(out, devices)
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if out, err := s.ask(ctx, appsQuery, asCSV); err == nil {
		apps(out, devices)
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(split) == 0 {
		return devices, nil
	}
	if out, err = s.ask(ctx, "-L"); err != nil {
		return nil, err
	}
	return parseInstances(out, devices, split)
}

// ask runs the tool. It says "No devices were found" on stdout, with status 0 or 6 by version,
// when the driver is well and there is no GPU. When it cannot read one of several GPUs, it ends
// with a status, too, but may have printed the others.
func (s *SMI) ask(ctx context.Context, args ...string) (string, error) {
	out, err := s.Run(ctx, args...)
	text := strings.ToValidUTF8(string(out), "·")
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil, isNone(text):
		return text, nil
	case strings.Contains(text, "couldn't communicate with the NVIDIA driver"), strings.Contains(text, "Driver Not Loaded"):
		return none, nil // the tool is here, as in many images, but no driver
	case unreadable.MatchString(text), hasLine(text):
		return text, nil
	}
	return "", &fault.Error{
		Class: fault.Capacity, Op: readOp, Subject: "nvidia-smi",
		Reason: strings.Join(strings.Fields(text), " ") + "; repair the driver, or start the worker with --gpu none", Err: err,
	}
}

const none = "No devices were found"

func isNone(out string) bool { return strings.TrimSpace(out) == none }
