package lease

import (
	"context"
	"encoding/csv"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
)

// GPU is what a lease can be of: a whole GPU, or an instance of one in MIG mode.
type GPU struct {
	Index       int    // of the whole GPU, as nvidia-smi counts
	UUID        string // "GPU-…" or "MIG-…": what CUDA_VISIBLE_DEVICES understands everywhere
	Name        string // "NVIDIA A100-SXM4-40GB"
	Profile     string // of a MIG instance, "3g.20gb"; empty = the whole GPU
	MemoryBytes int64  // 0 = the driver does not say
}

const discoverOp = "list GPUs"

// Discover lists the GPUs of this host by the NVIDIA driver's own tool. A host
// without the tool has none; a tool that fails is a fault, because a broken
// driver is no reason to train on the CPU.
func Discover(ctx context.Context) ([]GPU, error) {
	tool, err := exec.LookPath("nvidia-smi")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fault.Wrap(fault.Input, discoverOp, "nvidia-smi", err)
	}
	return discover(ctx, func(ctx context.Context, args ...string) ([]byte, error) {
		return ask(ctx, tool, args)
	})
}

// discover is Discover with a tool that is asked by run.
func discover(ctx context.Context, run func(ctx context.Context, args ...string) ([]byte, error)) ([]GPU, error) {
	out, err := run(ctx, "--query-gpu=index,uuid,name,memory.total,mig.mode.current", "--format=csv,noheader,nounits")
	if err != nil {
		return nil, err
	}
	gpus, split, err := parseQuery(string(out))
	if err != nil || len(split) == 0 {
		return gpus, err
	}
	out, err = run(ctx, "-L")
	if err != nil {
		return nil, err
	}
	return parseInstances(string(out), gpus, split)
}

// ask runs the tool. It says "No devices were found" on stdout, with status 0 or
// 6 by version, when the driver is well and there is no GPU.
func ask(ctx context.Context, tool string, args []string) ([]byte, error) {
	out, err := sandbox.Tool(ctx, sandbox.Command{Path: tool, Args: args, Env: []string{"LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin"}})
	switch {
	case err == nil || isNone(string(out)):
		return out, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	said := strings.Join(strings.Fields(strings.ToValidUTF8(string(out), "·")), " ")
	return nil, &fault.Error{
		Class: fault.Capacity, Op: discoverOp, Subject: "nvidia-smi",
		Reason: said + "; repair the driver, or start the worker with --gpu none", Err: err,
	}
}

func isNone(out string) bool { return strings.TrimSpace(out) == "No devices were found" }

// uuid is what goes into the environment of a trainer.
var uuid = regexp.MustCompile(`^(GPU|MIG)-[0-9A-Za-z/-]{8,64}$`)

// parseQuery reads lines of index, UUID, name, MiB and MIG mode. split has the
// indices of GPUs in MIG mode, which only their instances can be used of.
func parseQuery(out string) (gpus []GPU, split []int, err error) {
	if isNone(out) {
		return nil, nil, nil
	}
	lines := csv.NewReader(strings.NewReader(out))
	lines.FieldsPerRecord = 5
	lines.TrimLeadingSpace = true
	records, err := lines.ReadAll()
	if err != nil {
		return nil, nil, strange(out, err)
	}
	for _, r := range records {
		for i := range r {
			r[i] = strings.TrimSpace(r[i])
		}
		index, err := strconv.Atoi(r[0])
		if err != nil || index < 0 || !uuid.MatchString(r[1]) || r[2] == "" {
			return nil, nil, strange(strings.Join(r, ", "), err)
		}
		gpu := GPU{Index: index, UUID: r[1], Name: r[2]}
		if !strings.HasPrefix(r[3], "[") { // [N/A]: memory shared with the CPU
			mib, err := strconv.ParseInt(r[3], 10, 64)
			if err != nil || mib <= 0 || mib > 1<<30 {
				return nil, nil, strange(strings.Join(r, ", "), err)
			}
			gpu.MemoryBytes = mib << 20
		}
		if r[4] == "Enabled" {
			split = append(split, index)
		}
		gpus = append(gpus, gpu)
	}
	return gpus, split, nil
}

var (
	wholeLine = regexp.MustCompile(`^GPU (\d+): (.+) \(UUID: (\S+)\)$`)
	partLine  = regexp.MustCompile(`^MIG ((?:\d+c\.)?\d+g\.(\d+)gb\S*)\s+Device\s+\d+: \(UUID: (\S+)\)\s*$`)
)

// parseInstances reads nvidia-smi -L and puts the instances of GPUs in MIG mode
// in their places. Their memory is what the profile promises.
func parseInstances(out string, gpus []GPU, split []int) ([]GPU, error) {
	at := -1
	instances := map[int][]GPU{}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if m := wholeLine.FindStringSubmatch(line); m != nil {
			at, _ = strconv.Atoi(m[1]) // digits
			continue
		}
		m := partLine.FindStringSubmatch(line)
		if m == nil || at < 0 || !uuid.MatchString(m[3]) {
			return nil, strange(line, nil)
		}
		gb, err := strconv.ParseInt(m[2], 10, 32)
		if err != nil {
			return nil, strange(line, err)
		}
		instances[at] = append(instances[at], GPU{UUID: m[3], Profile: m[1], MemoryBytes: gb * 1e9})
	}
	var all []GPU
	for _, gpu := range gpus {
		if !slices.Contains(split, gpu.Index) {
			all = append(all, gpu)
			continue
		}
		for _, part := range instances[gpu.Index] {
			part.Index, part.Name = gpu.Index, gpu.Name
			all = append(all, part)
		}
	}
	return all, nil
}

func strange(text string, err error) error {
	const longest = 200
	return &fault.Error{
		Class: fault.Capacity, Op: discoverOp, Subject: text[:min(len(text), longest)],
		Reason: "nvidia-smi named no GPU that is known here; name the class with --gpu, or --gpu none", Err: err,
	}
}
