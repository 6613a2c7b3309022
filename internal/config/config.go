// Package config reads what the programs in workers/ and starter/ need to know about
// their surroundings: Cogniverse's JSON file, in which the section "cogflow" is ours,
// and environment variables that override it. It is the only place that reads
// configuration. It also holds prices: the configured ones, and dated price lists as a
// default. It opens no connection and holds no secret.
package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/alerting"
	"github.com/cogniverse/cogflow/internal/config/drain"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// EnvFile names the variable that holds the path of the file; without it DefaultFile is
// read if it exists.
const (
	EnvFile     = "COGNIVERSE_CONFIG"
	DefaultFile = "configs/config.json"
)

// maxFile limits the file; a configuration is written by people.
const maxFile = 16 << 20 // bytes

// Config is the merged configuration with all defaults. Paths are absolute, except names of
// programs, which are found on the PATH.
type Config struct {
	File string `json:"file"` // the file that was read; empty = none, all defaults

	Store   string              `json:"store"` // URL of the object store
	Index   string              `json:"index"` // SQLite file of the embedded index; empty = Vespa
	Vespa   *Vespa              `json:"vespa,omitempty"`
	Ledger  string              `json:"ledger"`         // of the paid calls: a SQLite file, or the URL of a PostgreSQL database
	Scratch string              `json:"scratch"`        // directory for temporary files
	Logs    string              `json:"logs,omitempty"` // directory for the log files of workers; empty = none are written
	Sources map[string][]string `json:"sources"`        // tenant → directories and prefixes it may read; empty = see the sources adapter

	Endpoints []Endpoint         `json:"endpoints,omitempty"` // model servers, by name
	Servers   []ownserver.Server `json:"servers,omitempty"`   // that workers start on demand

	SmallModels string `json:"small_models,omitempty"` // server of small models; empty = none

	NoSandbox bool `json:"no_sandbox"` // decode media and run metric commands and training without a sandbox

	Training Training          `json:"training"`
	Optimize Optimize          `json:"optimize"`
	Gateway  frontdoor.Gateway `json:"gateway"`
	Drain    drain.Drain       `json:"drain"`

	Placement []placement.Rule `json:"placement,omitempty"` // rules in order

	Alerts alerting.Alerts `json:"alerts"` // who is told of budgets

	FFmpeg    string `json:"ffmpeg"`
	FFprobe   string `json:"ffprobe"`
	Tesseract string `json:"tesseract"`

	MaxFetchBytes int64    `json:"fetch_max_bytes"`         // maximum size of a fetched video
	FetchS3       string   `json:"fetch_s3,omitempty"`      // how to reach s3:// sources: region=…&endpoint=…; default: as the store
	FetchAllowed  []string `json:"fetch_allowed,omitempty"` // host:port of private servers that https:// sources may name
	UI            string   `json:"ui"`                      // base URL of the Temporal Web UI, for links

	Telemetry string `json:"telemetry"` // host:port, or off; empty = a free port of the loopback interface
	PProf     bool   `json:"pprof"`     // serve profiles there

	active   string                   // configured active profile; empty = local_preview
	vlmURL   string                   // Cogniverse's vlm_endpoint_url
	profiles map[string]video.Profile // runnable, by name; holds local_preview
	theirs   map[string]video.Profile // of backend.profiles, translated
	foreign  map[string]Foreign       // of backend.profiles, those that cannot be run

	file       map[string]json.RawMessage // the sections of the file
	prices     map[string]prompt.Price    // of cogflow.optimize
	ownStudent bool                       // cogflow.optimize names the student
}

// Vespa is the address of the search cluster.
type Vespa struct {
	URL       string   `json:"url"`        // of the containers: documents and queries
	ConfigURL string   `json:"config_url"` // of the config server: deployment
	Tenants   []string `json:"tenants"`    // whose schemas are deployed
}

// Load reads the configuration. The error is an input fault that lists every problem; the
// Config is then incomplete and only fit for display.
func Load(getenv func(string) string) (Config, error) {
	c, problems := Check(getenv)
	return c, problems.fault(c.File)
}

// Check reads the configuration and lists everything wrong with it.
func Check(getenv func(string) string) (Config, Problems) {
	var s section
	c := newConfig()
	name, data, problems := read(getenv)
	c.File = name
	if data != nil {
		problems = append(problems, c.decode(data, &s)...)
		problems = append(problems, checkLedgerFile(s)...)
	}
	problems = append(problems, override(&s, getenv)...)
	problems = append(problems, c.take(s)...)
	return c, append(problems, c.check()...)
}

func newConfig() Config {
	return Config{profiles: map[string]video.Profile{}, theirs: map[string]video.Profile{}, foreign: map[string]Foreign{}}
}

func read(getenv func(string) string) (name string, data []byte, problems Problems) {
	name = getenv(EnvFile)
	asked := name != ""
	if !asked {
		name = DefaultFile
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return "", nil, nil
	case err != nil:
		return name, nil, Problems{{Place: EnvFile, Text: err.Error(), Fix: "name a readable JSON file or unset " + EnvFile}}
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return name, nil, Problems{{Place: name, Text: "not a regular file of at most 16 MiB", Fix: "name a JSON file in " + EnvFile}}
	}
	if data, err = os.ReadFile(name); err != nil {
		return name, nil, Problems{{Place: name, Text: err.Error(), Fix: "make the file readable"}}
	}
	return name, data, nil
}

// take sets c from the section and the defaults.
func (c *Config) take(s section) (problems Problems) {
	c.Store, c.UI, c.Telemetry, c.PProf = s.Store, cmp.Or(s.UI, "http://127.0.0.1:8233"), s.Telemetry, s.PProf
	if c.Store == "" {
		abs, err := filepath.Abs(filepath.Join(".cogflow", "store"))
		problems = problems.add("cogflow.store", err)
		c.Store = (&url.URL{Scheme: "file", Path: abs}).String()
	}
	for _, path := range []struct {
		to              *string
		key, set, unset string
	}{
		{&c.Index, "cogflow.index", s.Index, "index.db"},
		{&c.Scratch, "cogflow.scratch", s.Scratch, "tmp"},
	} {
		abs, err := filepath.Abs(cmp.Or(path.set, filepath.Join(".cogflow", path.unset)))
		problems = problems.add(path.key, err)
		*path.to = abs
	}
	problems = append(problems, c.takeLedger(s)...)
	if s.Logs != "" {
		abs, err := filepath.Abs(s.Logs)
		problems = problems.add("cogflow.logs", err)
		c.Logs = abs
	}
	c.Sources = s.Sources
	c.NoSandbox, c.SmallModels = s.NoSandbox, s.SmallModels
	if s.NoSandbox && s.RequireSandbox {
		problems = append(problems, Problem{
			Place: "cogflow.no_sandbox", Text: "contradicts require_sandbox", Fix: "remove one of them; the sandbox is required by default",
		})
	}
	c.FFmpeg, c.FFprobe, c.Tesseract = cmp.Or(s.FFmpeg, "ffmpeg"), cmp.Or(s.FFprobe, "ffprobe"), cmp.Or(s.Tesseract, "tesseract")
	c.MaxFetchBytes, c.FetchS3, c.FetchAllowed = cmp.Or(s.Fetch.MaxBytes, 64<<30), s.Fetch.S3, s.Fetch.Allowed
	if u, err := url.Parse(c.Store); err == nil && u.Scheme == "s3" && c.FetchS3 == "" {
		c.FetchS3 = u.RawQuery
	}
	c.active = cmp.Or(s.ActiveProfile, c.active)
	problems = append(problems, c.takeTraining(s.Training)...)
	problems = append(problems, c.takeIndex(s)...)
	problems = append(problems, c.takeEndpoints(s)...)
	problems = append(problems, c.takeServers(s)...)
	problems = append(problems, c.takeOptimize(s.Optimize)...)
	problems = append(problems, c.takeAlerts(s)...)
	problems = append(problems, c.takeGateway(s)...)
	c.Placement = s.Placement.Rules
	s.Placement.Check(video.GPUClass, func(key, text, fix string) {
		problems = append(problems, Problem{Place: "cogflow.placement." + key, Text: text, Fix: fix})
	})
	c.Drain = s.Drain.Drain()
	s.Drain.Check(func(key, text, fix string) {
		problems = append(problems, Problem{Place: "cogflow.drain." + key, Text: text, Fix: fix})
	})
	problems = append(problems, c.takeProfiles(s)...)
	c.priceProfiles()
	return problems
}

// takeIndex sets the index: cogflow.index takes precedence over the Vespa of Cogniverse's
// "backend".
func (c *Config) takeIndex(s section) (problems Problems) {
	if s.Vespa.URL != "" || s.Vespa.ConfigURL != "" {
		v, err := vespaAt(s.Vespa.URL, 0)
		if c.Vespa != nil && s.Vespa.URL == "" {
			v, err = c.Vespa, nil
		}
		if err != nil {
			return problems.add("cogflow.vespa.url", err)
		}
		v.ConfigURL = cmp.Or(s.Vespa.ConfigURL, v.ConfigURL)
		c.Vespa = v
	}
	if s.Index != "" || c.Vespa == nil {
		c.Vespa = nil
		return nil
	}
	c.Index = ""
	if c.Vespa.Tenants = s.Vespa.Tenants; len(c.Vespa.Tenants) == 0 {
		c.Vespa.Tenants = []string{string(tenant.Default)}
	}
	return nil
}

func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Reason != "" {
		return f.Reason
	}
	return err.Error()
}
