package source

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
)

// The files that cogflow itself writes hold the data of all tenants. They cannot be used as
// sources, even if a root or AnyLocal would allow it.

const ownFiles = "it belongs to cogflow's own store, databases or temporary files, which hold the data of all tenants; name a path outside of them"

// private lists the places where cogflow keeps its own data.
type private struct {
	local    []string // as configured and with links resolved
	prefixes []string // of paths
	buckets  []bucket
	sources  string // the server of s3:// sources
}

func newPrivate(c Config) (p private, err error) {
	for _, path := range c.Private {
		p.local = append(p.local, filepath.Clean(path))
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			p.local = append(p.local, resolved)
		}
	}
	for _, prefix := range c.PrivatePrefixes {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(prefix)); err == nil {
			prefix = filepath.Join(dir, filepath.Base(prefix))
		}
		p.prefixes = append(p.prefixes, prefix)
	}
	if !strings.HasPrefix(c.PrivateS3, "s3:") {
		return p, nil
	}
	store, err := s3.Parse(c.PrivateS3)
	if err != nil {
		return p, err
	}
	query, err := s3.Parse("s3://sources?" + c.S3Query)
	p.buckets, p.sources = []bucket{bucketOf(store)}, bucketOf(query).server
	return p, err
}

// all lists cogflow's own files and directories that exist.
func (p private) all() []string {
	all := slices.Clone(p.local)
	for _, prefix := range p.prefixes {
		dir, name := filepath.Split(prefix)
		entries, _ := os.ReadDir(dir) // a missing file needs no protection
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), name) {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

// owns reports whether a resolved path is one of cogflow's own files, or below one of its
// directories. A database has more files whose names begin with its own name.
func (p private) owns(path string) bool {
	for _, own := range p.all() {
		if _, below := below(own, path); below || strings.HasPrefix(path, own+"-") {
			return true
		}
		info, err := os.Stat(own)
		for above := path; err == nil; above = filepath.Dir(above) { // also if it is mounted at another path
			if other, err := os.Stat(above); err == nil && os.SameFile(info, other) {
				return true
			}
			if above == filepath.Dir(above) {
				break
			}
		}
	}
	return false
}

// checkRoot refuses a root that contains only cogflow's own files.
func (p private) checkRoot(root string) error {
	resolved, err := filepath.EvalSymlinks(root)
	if err != nil {
		resolved = root // it may be mounted later; opening a file checks again
	}
	if p.owns(filepath.Clean(resolved)) {
		return fault.New(fault.Input, "read "+configKey, root, ownFiles)
	}
	return nil
}

// checkFile refuses an open file if it is cogflow's own, whatever path it was opened by.
func (p private) checkFile(op, path string, f *os.File) error {
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil { // only Linux reports the path of an open file
		if at, err = filepath.EvalSymlinks(path); err != nil {
			return explain(op, path, err)
		}
	}
	if p.owns(at) {
		return fault.New(fault.Input, op, path, ownFiles)
	}
	return nil
}

func (p private) checkObject(op string, at location) error {
	for _, own := range p.buckets {
		if own.holds(at, p.sources) {
			return fault.New(fault.Input, op, at.String(), ownFiles)
		}
	}
	return nil
}
