// Package ownserver is the configuration of model servers that a worker starts when they are
// needed. It starts none.
package ownserver

import (
	"cmp"
	"net"
	"net/url"
	"strings"
	"time"
)

// Section is a server as people write it.
type Section struct {
	Command     []string          `json:"command" jsonschema:"program and arguments of the server; no shell reads them"`
	Env         map[string]string `json:"env" jsonschema:"variables of its environment, besides PATH, HOME, USER, LANG, TMPDIR, LD_LIBRARY_PATH and XDG_CACHE_HOME of the worker"`
	PassEnv     []string          `json:"pass_env" jsonschema:"names of variables that it gets from the environment of the worker, such as HF_TOKEN"`
	Ready       string            `json:"ready" jsonschema:"URL on this host that answers with status 200 when the server is ready"`
	GPUs        int               `json:"gpus" jsonschema:"number of GPUs or MIG instances that it gets, in CUDA_VISIBLE_DEVICES; 0 is a server on the CPU (default 0)"`
	GPUMemory   float64           `json:"gpu_memory_gib" jsonschema:"GiB of the memory of each GPU that it may use, so that others can use the rest; 0 is the whole GPU (default 0). Tell the server the same by its own option"`
	Unlisted    bool              `json:"unlisted_models" jsonschema:"whether the list of models of the server is not of those that it serves, as with transformers serve; then the list is not checked (default false)"`
	Scaledown   float64           `json:"scaledown_seconds" jsonschema:"seconds without a request after which it is stopped (default 300)"`
	BootTimeout float64           `json:"boot_timeout_seconds" jsonschema:"seconds that it has to become ready (default 600)"`
}

// Server is a server with all defaults.
type Server struct {
	Name        string            `json:"name"`
	Command     []string          `json:"command"`
	Env         map[string]string `json:"env,omitempty"`
	PassEnv     []string          `json:"pass_env,omitempty"`
	Ready       string            `json:"ready"`
	GPUs        int               `json:"gpus"`
	GPUBytes    int64             `json:"gpu_bytes,omitempty"`
	Unlisted    bool              `json:"unlisted_models,omitempty"`
	Scaledown   time.Duration     `json:"scaledown"`
	BootTimeout time.Duration     `json:"boot_timeout"`
}

const (
	scaledown   = 300 // seconds
	bootTimeout = 600
	maxSeconds  = 7 * 24 * 3600
	maxGPUs     = 64

	maxGPUMemory = 4096 // GiB
)

// Server completes a section.
func (s Section) Server(name string) Server {
	seconds := func(v float64, or float64) time.Duration { return time.Duration(cmp.Or(v, or) * float64(time.Second)) }
	return Server{
		Name: name, Command: s.Command, Env: s.Env, PassEnv: s.PassEnv, Ready: s.Ready, GPUs: s.GPUs, GPUBytes: int64(s.GPUMemory * (1 << 30)),
		Unlisted:  s.Unlisted,
		Scaledown: seconds(s.Scaledown, scaledown), BootTimeout: seconds(s.BootTimeout, bootTimeout),
	}
}

// Check calls bad for each problem: the key, what is wrong and how to fix it.
func (s Section) Check(name string, bad func(key, text, fix string)) {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		bad("", "not a name", "name the server by letters, digits, _ and -")
	}
	if len(s.Command) == 0 || s.Command[0] == "" {
		bad("command", "empty", "write a list: the program, then its arguments")
	}
	if !Local(s.Ready) {
		bad("ready", "not an http URL on this host", "write it like http://127.0.0.1:8000/health")
	}
	if s.GPUs < 0 || s.GPUs > maxGPUs {
		bad("gpus", "out of range", "use 0 to 64")
	}
	if s.GPUMemory < 0 || s.GPUMemory > maxGPUMemory {
		bad("gpu_memory_gib", "out of range", "use GiB of one GPU, or 0 for the whole of it")
	}
	if s.GPUMemory > 0 && s.GPUs == 0 {
		bad("gpu_memory_gib", "set without gpus", "set gpus to 1")
	}
	for key, v := range map[string]float64{"scaledown_seconds": s.Scaledown, "boot_timeout_seconds": s.BootTimeout} {
		if v < 0 || v > maxSeconds {
			bad(key, "out of range", "use seconds, at most a week")
		}
	}
	for variable := range s.Env {
		if !isVariable(variable) {
			bad("env", "a name of a variable is invalid", "write names like HF_HOME")
		}
	}
	for _, variable := range s.PassEnv {
		if !isVariable(variable) {
			bad("pass_env", "a name of a variable is invalid", "write names like HF_TOKEN; a key itself belongs in no file")
		}
	}
}

func isVariable(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// Local reports whether a URL is one of the loopback interface.
func Local(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
