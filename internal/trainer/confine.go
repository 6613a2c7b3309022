package trainer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/training"
)

// confined returns the interpreter with these arguments in the sandbox: without network, and
// with access to the job's own folders only. read lists more paths that it needs.
func (r *Runner) confined(dir, devices string, events *os.File, read []string, args ...string) (*sandbox.Wrapped, error) {
	c := sandbox.Command{
		Path: r.options.Python, Args: args, Files: []*os.File{events}, Env: r.environment(dir, devices),
		Dir: dir, Write: []string{dir}, Read: slices.Concat(interpreter(r.options.Python), read),
	}
	// Libraries choose their number of threads by the numbers of cores and memory nodes.
	// Without these directories the numbers differ from those outside the sandbox.
	system := []string{"/sys/devices/system/cpu", "/sys/devices/system/node"}
	if devices != "" {
		c.Devices, system = gpuFiles(), []string{"/sys"}
	}
	if r.options.Dir != "" {
		c.Read = append(c.Read, filepath.Join(r.options.Dir, "src"))
	}
	c.Read = slices.DeleteFunc(append(c.Read, system...), absent)
	c.Limits = sandbox.Limits{FileSize: unlimited, Total: r.options.Memory, Processes: r.options.Processes}
	return r.options.Sandbox.Wrap(c)
}

// unlimited is RLIM_INFINITY.
const unlimited = ^uint64(0)

// paths lists the paths that a job reads.
func paths(job training.Job) []string {
	out := []string{job.Model.Path, job.Train.Path}
	if job.Eval != nil {
		out = append(out, job.Eval.Path)
	}
	if job.Start != nil {
		out = append(out, job.Start.Path)
	}
	if job.Resume != "" && !strings.HasPrefix(job.Resume, job.WorkDir+"/") {
		out = append(out, job.Resume)
	}
	if job.Images != "" {
		out = append(out, job.Images)
	}
	return slices.DeleteFunc(append(out, targets(job.Model.Path)...), absent)
}

// absent paths are skipped: the trainer reports them.
func absent(path string) bool {
	if path == "" {
		return true
	}
	_, err := os.Stat(path)
	return err != nil
}

// targets lists the folders of the files that the links in a model's folder refer to, as in
// the cache of Hugging Face.
func targets(dir string) (out []string) {
	entries, _ := os.ReadDir(dir) // the trainer reports that it is missing
	for _, e := range entries {
		target, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if e.Type()&os.ModeSymlink == 0 || err != nil {
			continue
		}
		if folder := filepath.Dir(target); folder != dir && !slices.Contains(out, folder) {
			out = append(out, folder)
		}
	}
	return out
}

// interpreter lists the folders with the modules of a Python: its virtual environment and,
// link by link, the installation that the environment links to.
func interpreter(python string) (out []string) {
	add := func(program string) {
		dir := sandbox.Installation(program)
		if dir != "/" && !strings.HasPrefix(dir+"/", "/usr/") && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	const longest = 16 // links; the kernel follows at most 40
	path := python
	for range longest {
		add(path)
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if program, err := filepath.EvalSymlinks(python); err == nil {
		add(program)
	}
	return out
}

// gpuFiles lists the device files of the GPU drivers: NVIDIA's, those of WSL, AMD's.
func gpuFiles() (out []string) {
	for _, pattern := range []string{"/dev/nvidia*", "/dev/dxg", "/dev/kfd", "/dev/dri"} {
		found, _ := filepath.Glob(pattern) // the pattern is valid
		out = append(out, found...)
	}
	return out
}
