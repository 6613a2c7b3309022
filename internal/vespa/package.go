package vespa

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

//go:embed template
var templates embed.FS

// File is one file of an application package; the path is relative and slashed.
type File struct {
	Path string
	Data []byte
}

// PackageOptions describes the cluster. The zero value is one node
// on localhost.
type PackageOptions struct {
	Hosts      []string // host names; container and content run on each
	Redundancy int      // copies of a document, default 1
	Allow      []string // validation overrides, such as field-type-change
	AllowUntil string   // their last day, YYYY-MM-DD, at most 30 days away
}

// Package generates the application package for tenants that share profiles: one schema
// for each pair of tenant and profile, and one schema of generations for each tenant. The
// files are sorted by path and equal for equal arguments.
func Package(tenants []tenant.ID, profiles []video.Profile, o PackageOptions) ([]File, error) {
	l, err := newLayout(tenants, profiles)
	if err != nil {
		return nil, err
	}
	if len(l.schemas) == 0 {
		return nil, fault.New(fault.Input, "generate vespa package", "", "a tenant and a profile are required")
	}
	o.Redundancy = max(1, o.Redundancy)
	if o.Redundancy > max(1, len(o.Hosts)) {
		return nil, fault.New(fault.Input, "generate vespa package", "", "redundancy must not exceed the number of hosts")
	}
	if len(o.Allow) > 0 && o.AllowUntil == "" {
		return nil, fault.New(fault.Input, "generate vespa package", "", "validation overrides require a last day")
	}
	parsed, err := template.ParseFS(templates, "template/*.xml", "template/schemas/*.sd")
	if err != nil {
		return nil, fmt.Errorf("parse vespa templates: %w", err)
	}
	var files []File
	var failed error
	add := func(path, name string, data any) {
		var out bytes.Buffer
		if err := parsed.ExecuteTemplate(&out, name, data); err != nil && failed == nil {
			failed = fmt.Errorf("generate %s: %w", path, err)
		}
		files = append(files, File{path, out.Bytes()})
	}
	add("services.xml", "services.xml", map[string]any{
		"Options": o, "Schemas": l.schemas, "Parents": parents(l), "Local": len(o.Hosts) == 0,
	})
	add("search/query-profiles/default.xml", "query-profile.xml", nil)
	for _, name := range parents(l) {
		add("schemas/"+name+".sd", "generation.sd", name)
	}
	for _, s := range l.schemas {
		add("schemas/"+s.Name+".sd", "frame.sd", s)
	}
	if len(o.Hosts) > 0 {
		add("hosts.xml", "hosts.xml", o)
	}
	if len(o.Allow) > 0 {
		add("validation-overrides.xml", "validation-overrides.xml", o)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, failed
}

func parents(l *layout) []string {
	names := make([]string, len(l.tenants))
	for i, t := range l.tenants {
		names[i] = GenerationType(t)
	}
	return names
}

// Zip packs files for the deploy API, at the root of the archive.
// Equal files give equal bytes.
func Zip(files []File) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		entry, err := w.Create(f.Path)
		if err != nil {
			return nil, fmt.Errorf("zip %s: %w", f.Path, err)
		}
		if _, err := entry.Write(f.Data); err != nil {
			return nil, fmt.Errorf("zip %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("zip package: %w", err)
	}
	return out.Bytes(), nil
}
