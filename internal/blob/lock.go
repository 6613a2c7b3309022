package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// lock excludes other writers of a key's shard, in this process and in others, until the
// returned function is called. It is held for a rename, not for a copy, so waiting is
// short; a lock ends with its process.
func (s *File) lock(ctx context.Context, key string) (unlock func() error, err error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	shard := h.Sum32() % shards
	select {
	case s.busy[shard] <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := s.root.OpenFile(path.Join(tempDir, fmt.Sprintf("lock-%02x", shard)), os.O_RDWR|os.O_CREATE, fileMode)
	if err == nil {
		if err = flock(ctx, f); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		<-s.busy[shard]
		return nil, err
	}
	return func() error {
		err := f.Close() // releases the lock
		<-s.busy[shard]
		return err
	}, nil
}

// flock polls instead of blocking in the kernel, where a cancellation would not reach it.
func flock(ctx context.Context, f *os.File) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 32*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return os.NewSyscallError("flock", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
