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
// worker. The shelf keeps what the first downloaded for the second. It is only a
// shortcut: elsewhere, later or after a restart the video is downloaded again.
const (
	shelfBytes = 20 << 30         // at most, of all
	shelfTime  = 10 * time.Minute // at most, of each
)

type shelf struct {
	mu    sync.Mutex
	items []*shelved // the oldest first
	bytes int64
	most  int64
	after func(d time.Duration, f func()) *time.Timer
}

// shelved is a file without a name: its space is free when it is closed.
type shelved struct {
	key  shelfKey
	file *os.File
	size int64
}

// shelfKey names a content, and who was permitted to see it where.
type shelfKey struct {
	tenant tenant.ID
	uri    string
	id     video.ID
}

// put takes a copy of the descriptor, or nothing when there is no room.
func (s *shelf) put(key shelfKey, file *os.File) {
	info, err := file.Stat()
	if err != nil || info.Size() > s.most {
		return
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	item := &shelved{key, os.NewFile(uintptr(fd), file.Name()), info.Size()} //nolint:gosec // a descriptor is not negative
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.items) > 0 && s.bytes+item.size > s.most {
		s.drop(s.items[0])
	}
	s.items = append(s.items, item)
	s.bytes += item.size
	s.after(shelfTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(item)
	})
}

// take hands a file over; nil = it is not there.
func (s *shelf) take(key shelfKey) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range s.items {
		if item.key == key && s.remove(item) {
			return item.file
		}
	}
	return nil
}

// clear makes room for a download, and reports whether there was anything.
func (s *shelf) clear() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := len(s.items)
	for len(s.items) > 0 {
		s.drop(s.items[0])
	}
	return held > 0
}

func (s *shelf) drop(item *shelved) {
	if s.remove(item) {
		_ = item.file.Close() // it was only read
	}
}

func (s *shelf) remove(item *shelved) bool {
	i := slices.Index(s.items, item)
	if i < 0 {
		return false
	}
	s.items = slices.Delete(s.items, i, i+1)
	s.bytes -= item.size
	return true
}

// Keep keeps what Open downloaded, for a Reopen that follows soon. The caller
// closes its file as always.
func (s *Sources) Keep(t tenant.ID, uri string, id video.ID, file *os.File) {
	if _, remote, err := parseRemote("keep video", uri); remote && err == nil {
		s.shelf.put(shelfKey{t, uri, id}, file)
	}
}

// Reopen is Open for a video whose content is known, which the caller checks.
func (s *Sources) Reopen(ctx context.Context, t tenant.ID, uri string, id video.ID) (*os.File, string, error) {
	const op = "open video"
	at, remote, err := parseRemote(op, uri)
	if err != nil || !remote || s.permit(op, t, at) != nil {
		return s.Open(ctx, t, uri) // which says what is wrong
	}
	file := s.shelf.take(shelfKey{t, uri, id})
	if file == nil {
		return s.Open(ctx, t, uri)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		_ = file.Close() // it was only read
		return s.Open(ctx, t, uri)
	}
	return file, printable(at.base()), nil
}
