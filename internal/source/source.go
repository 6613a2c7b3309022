// Package source finds and opens the videos that users name: files, directories
// and manifests on local disks, in S3 and on web servers. It decides which of them
// a tenant may read. It does not parse videos; the media tools do.
package source

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/tenant"
)

// Config says which sources may be read.
type Config struct {
	// Roots are the absolute directories of each tenant, and its remote sources:
	// s3://bucket/prefix and https://host/prefix. If any root is configured, every
	// tenant is restricted to its own roots, after links are resolved.
	Roots map[tenant.ID][]string
	// AnyLocal allows every local path, bucket and host of the public internet
	// where no roots are configured. It is for a worker that only its own user
	// can reach.
	AnyLocal bool
	// Private lists files and directories that must not be read as a source: those
	// of cogflow itself, which hold the data of all tenants.
	Private []string
	// PrivatePrefixes lists absolute path prefixes of such files and directories.
	PrivatePrefixes []string
	// PrivateS3 is the URL of the object store if it is s3://; otherwise Private has its path.
	PrivateS3 string
	// MaxBytes is the maximum size of a video. 0 = 100 GiB.
	MaxBytes int64
	// Scratch is the directory for downloads, which are unnamed files.
	// Empty = the system's directory for temporary files.
	Scratch string
	// S3Query has the connection parameters of s3:// sources, like those of a store's
	// URL: region=…&endpoint=…&path_style=true. Credentials come from the environment.
	S3Query string
	// Uploads reads upload:// sources. nil = there are none.
	Uploads Uploads
	// Fetch has the options of https:// sources. MaxBytes above overrides its own.
	Fetch fetch.Options
}

const (
	defaultMaxBytes = 100 << 30
	configKey       = "cogflow.sources"
)

// Sources lists and opens videos. Make one with New.
type Sources struct {
	config Config
	local  map[tenant.ID][]string   // directories
	remote map[tenant.ID][]location // and the rest of the roots
	s3     *bucketReader
	web    *fetch.Client
	cache  downloadCache
	own    private
}

// New checks a configuration. Roots need not exist yet: they may be mounted later.
func New(c Config) (*Sources, error) {
	if c.MaxBytes <= 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.Scratch == "" {
		c.Scratch = os.TempDir()
	}
	c.Fetch.MaxBytes = c.MaxBytes
	s := &Sources{
		config: c, local: map[tenant.ID][]string{}, remote: map[tenant.ID][]location{}, web: fetch.New(c.Fetch),
		cache: downloadCache{most: cacheBytes, after: time.AfterFunc},
	}
	var err error
	if s.s3, err = newBucketReader(c.S3Query); err != nil {
		return nil, err
	}
	if s.own, err = newPrivate(c); err != nil {
		return nil, err
	}
	for t, roots := range c.Roots {
		if id, err := tenant.Parse(string(t)); err != nil || id != t {
			return nil, fault.New(fault.Input, "read "+configKey, string(t), "not a tenant")
		}
		for _, root := range roots {
			if filepath.IsAbs(root) {
				if err := s.own.checkRoot(root); err != nil {
					return nil, err
				}
				s.local[t] = append(s.local[t], root)
				continue
			}
			at, remote, err := parseRemote("read "+configKey, root)
			if err != nil {
				return nil, err
			}
			if !remote {
				return nil, fault.New(fault.Input, "read "+configKey, root,
					"a root must be an absolute path, s3://bucket/prefix or https://host/prefix")
			}
			if err := s.own.checkObject("read "+configKey, at); err != nil {
				return nil, err
			}
			s.remote[t] = append(s.remote[t], at)
		}
	}
	return s, nil
}

// Open returns the file of a video and its display name: printable and valid UTF-8.
// A video is given as a path or a file://, s3://, https:// or upload:// URI. A remote video is
// downloaded completely; closing the file frees its disk space.
func (s *Sources) Open(ctx context.Context, t tenant.ID, uri string) (*os.File, string, error) {
	const op = "open video"
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if at, remote, err := parseRemote(op, uri); err != nil {
		return nil, "", err
	} else if remote {
		f, err := s.download(ctx, op, t, at, s.config.MaxBytes)
		return f, printable(at.base()), err
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
		_ = f.Close() // nothing was written; the other error is returned
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
