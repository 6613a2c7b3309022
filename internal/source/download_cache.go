package source

import (
	"context"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// A video is inspected and then decoded, by two activities that often run in one
// worker. downloadCache keeps the file that the first one downloaded for the second.
// On another worker, later or after a restart the video is downloaded again.
const (
	cacheBytes = 20 << 30         // maximum of all files together
	cacheTime  = 10 * time.Minute // maximum age of a file
)

type downloadCache struct {
	mu    sync.Mutex
	items []*cachedFile // oldest first
	bytes int64
	most  int64
	after func(d time.Duration, f func()) *time.Timer
}

// cachedFile is a file without a name: its space is free when it is closed.
type cachedFile struct {
	key  cacheKey
	file *os.File
	size int64
}

// cacheKey identifies a content, and the tenant and URI for which access was checked.
type cacheKey struct {
	tenant tenant.ID
	uri    string
	id     video.ID
}

// put keeps a duplicate of the descriptor, unless the file is too large.
func (c *downloadCache) put(key cacheKey, file *os.File) {
	info, err := file.Stat()
	if err != nil || info.Size() > c.most {
		return
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	item := &cachedFile{key, os.NewFile(uintptr(fd), file.Name()), info.Size()} //nolint:gosec // a descriptor is not negative
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.items) > 0 && c.bytes+item.size > c.most {
		c.drop(c.items[0])
	}
	c.items = append(c.items, item)
	c.bytes += item.size
	c.after(cacheTime, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(item)
	})
}

// take removes a file from the cache and returns it; nil = not found.
func (c *downloadCache) take(key cacheKey) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, item := range c.items {
		if item.key == key && c.remove(item) {
			return item.file
		}
	}
	return nil
}

// clear frees disk space for a download, and reports whether the cache had any file.
func (c *downloadCache) clear() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := len(c.items)
	for len(c.items) > 0 {
		c.drop(c.items[0])
	}
	return held > 0
}

func (c *downloadCache) drop(item *cachedFile) {
	if c.remove(item) {
		_ = item.file.Close() // it was only read
	}
}

func (c *downloadCache) remove(item *cachedFile) bool {
	i := slices.Index(c.items, item)
	if i < 0 {
		return false
	}
	c.items = slices.Delete(c.items, i, i+1)
	c.bytes -= item.size
	return true
}

// Keep caches a file that Open downloaded, for a Reopen soon after. The caller
// must still close its file.
func (s *Sources) Keep(t tenant.ID, uri string, id video.ID, file *os.File) {
	if _, remote, err := parseRemote("keep video", uri); remote && err == nil {
		s.cache.put(cacheKey{t, uri, id}, file)
	}
}

// Reopen is like Open, for a video whose content is known. The caller checks the content.
func (s *Sources) Reopen(ctx context.Context, t tenant.ID, uri string, id video.ID) (*os.File, string, error) {
	const op = "open video"
	at, remote, err := parseRemote(op, uri)
	if err != nil || !remote || s.permit(op, t, at) != nil {
		return s.Open(ctx, t, uri) // which returns the error
	}
	file := s.cache.take(cacheKey{t, uri, id})
	if file == nil {
		return s.Open(ctx, t, uri)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		_ = file.Close() // it was only read
		return s.Open(ctx, t, uri)
	}
	return file, printable(at.base()), nil
}
