package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Forms of names.
const (
	modelSyntax  = `^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95}){0,3}$`
	repoSyntax   = `^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$`
	commitSyntax = `^[0-9a-f]{40}$`
	deviceSyntax = `^([0-9]{1,3}|(GPU|MIG)-[A-Za-z0-9-]{4,64})$`
)

func number(v string) (float64, error) { return strconv.ParseFloat(v, 64) }

// check checks the values; the worker checks whether the places exist.
func (t Training) check() (problems Problems) {
	const at = "cogflow.training."
	bad := func(place, text, fix string) {
		problems = append(problems, Problem{Place: at + place, Text: text, Fix: fix})
	}
	if !(t.CheckpointSeconds > 0 && t.CheckpointSeconds <= 86400) {
		bad("checkpoint_seconds", "out of range", "use more than 0 and at most 86400")
	}
	if t.Grace < time.Second || t.Grace > time.Hour {
		bad("grace_seconds", "out of range", "use 1 to 3600")
	}
	if t.MemoryGiB != 0 && !(t.MemoryGiB >= 0.25 && t.MemoryGiB <= 1<<20) {
		bad("memory_gib", "out of range", "use at least 0.25, or omit it to use nearly all memory of the machine")
	}
	if t.MaxProcesses != 0 && (t.MaxProcesses < 64 || t.MaxProcesses > 1<<22) {
		bad("max_processes", "out of range", "use 64 to 4194304, or leave it out")
	}
	if err := t.Prices.Check(); err != nil {
		bad("prices", err.Error(), "correct the price")
	}
	device := regexp.MustCompile(deviceSyntax)
	for i, d := range t.GPUs {
		if !device.MatchString(d) {
			bad("gpus", fmt.Sprintf("%.80q is not a device", d), `write numbers, or UUIDs as "nvidia-smi -L" prints them`)
		} else if slices.Contains(t.GPUs[:i], d) {
			bad("gpus", d+" is listed twice", "leave one out")
		}
	}
	return append(append(problems, t.checkModels(at)...), t.checkServing(at)...)
}

func (t Training) checkModels(at string) (problems Problems) {
	name, repo, commit := regexp.MustCompile(modelSyntax), regexp.MustCompile(repoSyntax), regexp.MustCompile(commitSyntax)
	for _, key := range slices.Sorted(maps.Keys(t.Models)) {
		m, place := t.Models[key], at+"models."+key
		bad := func(key, text, fix string) {
			problems = append(problems, Problem{Place: place + key, Text: text, Fix: fix})
		}
		if !name.MatchString(key) {
			bad("", "not a model's name", "write it like HuggingFaceTB/SmolLM-135M")
		}
		if m.Path == "" {
			bad(".path", "missing", "name the folder with config.json and the weights")
		}
		if m.Repo != "" && !repo.MatchString(m.Repo) {
			bad(".repo", "not a repository", "write it like HuggingFaceTB/SmolLM-135M")
		}
		switch {
		case m.Revision != "" && !commit.MatchString(m.Revision):
			bad(".revision", "not a commit", "write its 40 hexadecimal digits; a branch can change")
		case m.Revision != "" && m.Repo == "":
			bad(".revision", "a commit without a repository", "name the repository, or leave the revision out: it is then the hash of the files")
		}
	}
	return problems
}

func (t Training) checkServing(at string) (problems Problems) {
	for _, s := range t.Serving {
		bad := func(key, text, fix string) {
			problems = append(problems, Problem{Place: at + "serving." + s.BaseModel + key, Text: text, Fix: fix})
		}
		switch u, err := url.Parse(s.URL); {
		case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
			bad(".url", "not an http address", "write it like http://127.0.0.1:8000/v1")
		case u.User != nil || u.RawQuery != "":
			bad(".url", "holds credentials or a query", "name the environment variable of the key in api_key_env")
		}
		if strings.Trim(s.KeyVariable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			bad(".api_key_env", "not the name of a variable", "write the variable's name, like VLLM_API_KEY; a key itself belongs in no file")
		}
		if s.AdaptersDir == "" {
			bad(".adapters_dir", "missing", "name a folder that the worker writes and the server reads")
		}
	}
	return problems
}
