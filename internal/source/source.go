// Package source finds and opens the videos that users name: files, directories
// and manifests on local disks. It decides what a tenant may reach; it does not
// look into files, which is for the media tools.
package source

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// Config says what may be reached.
type Config struct {
	// Roots are the directories of each tenant, absolute. With any root
	// configured every tenant is confined to its own, after links are resolved.
	Roots map[tenant.ID][]string
	// AnyLocal allows every local path where no roots are configured. It is for
	// a worker that only its own user can reach.
	AnyLocal bool
	// MaxBytes is the size of the largest video. 0 = 100 GiB.
	MaxBytes int64
}

const (
	defaultMaxBytes = 100 << 30
	configKey       = "cogflow.sources"
)

// Sources lists and opens videos. Make one with New.
type Sources struct{ config Config }

// New checks a configuration. Roots need not exist yet: they may be mounted later.
func New(c Config) (*Sources, error) {
	for t, roots := range c.Roots {
		if id, err := tenant.Parse(string(t)); err != nil || id != t {
			return nil, fault.New(fault.Input, "read "+configKey, string(t), "not a tenant")
		}
		for _, root := range roots {
			if !filepath.IsAbs(root) {
				return nil, fault.New(fault.Input, "read "+configKey, root, "a root must be an absolute path")
			}
		}
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = defaultMaxBytes
	}
	return &Sources{config: c}, nil
}

// Open returns the file of a video, given as a file:// URI or a path, and its
// name for people: printable and valid UTF-8.
func (s *Sources) Open(ctx context.Context, t tenant.ID, uri string) (*os.File, string, error) {
	const op = "open video"
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	path, err := parse(op, uri)
	if err != nil {
		return nil, "", err
	}
	f, err := s.open(op, t, path)
	if err != nil {
		return nil, "", err
	}
	if err := s.checkVideo(f, path); err != nil {
		_ = f.Close() // nothing was written; the reason is the other error
		return nil, "", err
	}
	return f, printable(filepath.Base(path)), nil
}

func (s *Sources) checkVideo(f *os.File, path string) error {
	const op = "open video"
	info, err := f.Stat()
	switch {
	case err != nil:
		return explain(op, path, err)
	case info.IsDir():
		return fault.New(fault.Input, op, path, "it is a directory, not a video file")
	case info.Size() > s.config.MaxBytes:
		return fault.New(fault.Input, op, path, "the file is larger than the configured maximum")
	}
	return nil
}
