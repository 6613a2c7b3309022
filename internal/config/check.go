package config

import (
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/ledgerurl"
	"github.com/cogniverse/cogflow/tenant"
)

// check checks the values. The worker checks whether programs, directories and servers
// exist, because it may run on another machine.
func (c Config) check() (problems Problems) {
	bad := func(place, text, fix string) {
		problems = append(problems, Problem{Place: place, Text: text, Fix: fix})
	}
	switch u, err := url.Parse(c.Store); {
	case err != nil:
		bad("cogflow.store", "not a URL", "write it like file:///var/lib/cogflow/store")
	case u.Scheme == "":
		bad("cogflow.store", "a URL without a scheme", "write it like file:///var/lib/cogflow/store")
	case u.Scheme == "file" && (u.Host != "" || !filepath.IsAbs(u.Path)):
		bad("cogflow.store", "a file URL needs an absolute path", "write it with three slashes: file:///var/lib/cogflow/store")
	case u.User != nil:
		bad("cogflow.store", "a URL with credentials", "give them in the environment of the worker")
	}
	if u, err := url.Parse(c.UI); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		bad("cogflow.ui", "not an http address", "write it like http://127.0.0.1:8233")
	}
	if c.MaxFetchBytes < 1 {
		bad("cogflow.fetch.max_bytes", "out of range", "use a positive number of bytes")
	}
	problems = append(problems, c.checkSources()...)
	problems = append(problems, c.Training.check()...)
	problems = append(problems, c.Optimize.check()...)
	if _, err := c.Profile(""); err != nil && c.foreign[c.Active()].Name == "" {
		bad("cogflow.active_profile", reason(err), "name one of them")
	}
	return problems
}

func (c Config) checkSources() (problems Problems) {
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		place := "cogflow.sources." + name
		if _, err := tenant.Parse(name); err != nil || name == "" {
			problems = append(problems, Problem{Place: place, Text: "not a tenant", Fix: "write acme or org:tenant"})
		}
		for _, root := range c.Sources[name] {
			if !filepath.IsAbs(root) && !strings.Contains(root, "://") {
				problems = append(problems, Problem{Place: place, Text: "a relative root", Fix: "write absolute directories or s3:// prefixes"})
			}
		}
	}
	return problems
}

// Redacted returns c without values that may be secret, for printing.
func (c Config) Redacted() Config {
	c.Ledger = ledgerurl.Shown(c.Ledger)
	u, err := url.Parse(c.Store)
	if err != nil {
		c.Store = "(not a URL)"
		return c
	}
	if u.User != nil {
		u.User = url.User("redacted")
	}
	q := u.Query()
	for key := range q {
		if k := strings.ToLower(key); strings.Contains(k, "key") || strings.Contains(k, "secret") || strings.Contains(k, "token") {
			q.Set(key, "redacted")
		}
	}
	u.RawQuery = q.Encode()
	c.Store = u.String()
	return c
}
