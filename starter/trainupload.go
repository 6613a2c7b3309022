package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// upload stores a local file under the hash of its content and returns the URI
// that names it. What is there already is not sent again.
func (a *app) upload(ctx context.Context, t, name string) (uri string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fault.Wrap(fault.Input, "read dataset", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", fault.New(fault.Input, "read dataset", name, "want a regular file of JSON lines or one JSON array")
	}
	v := a.view()
	defer v.end()
	sum := sha256.New()
	if _, err := io.Copy(sum, a.moving(ctx, v, file, "read "+baseName(name), info.Size())); err != nil {
		return "", moved("read dataset", name, err)
	}
	id := hex.EncodeToString(sum.Sum(nil))
	store, err := a.store(ctx)
	if err != nil {
		return "", err
	}
	key := training.UploadKey(tenant.ID(t), id)
	switch there, err := store.Stat(ctx, key); {
	case err == nil && there.Size == info.Size():
		return activities.UploadScheme + id, nil
	case err != nil && !errors.Is(err, object.ErrNotFound) && !errors.Is(err, object.ErrCorrupt):
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fault.Wrap(fault.Input, "read dataset", name, err)
	}
	same := &sameAs{r: a.moving(ctx, v, file, "upload "+baseName(name), info.Size()), sum: sha256.New(), want: id, name: name}
	if _, err := store.Put(ctx, key, same); err != nil {
		return "", moved("upload dataset", name, err)
	}
	return activities.UploadScheme + id, nil
}

// moved keeps what says enough already: a fault, or an interrupt.
func moved(op, name string, err error) error {
	if fault.ClassOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Disk(op, name, err)
}

// sameAs passes r on and fails at its end if its content is not what it was:
// nothing is stored under a hash that is not its own.
type sameAs struct {
	r          io.Reader
	sum        hash.Hash
	want, name string
}

func (s *sameAs) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(s.sum.Sum(nil)) != s.want {
		return n, fault.New(fault.Input, "read", s.name, "it changed while it was read; start again when nobody writes to it")
	}
	return n, err
}

// largeFile is where people begin to wonder whether anything happens.
const largeFile = 32 << 20 // bytes

// moving shows how far a large file is read.
func (a *app) moving(ctx context.Context, v view, r io.Reader, name string, size int64) io.Reader {
	m := &movement{ctx: ctx, r: r, view: v, name: name, size: size, last: time.Now()}
	if b, ok := v.(*bars); ok && size >= largeFile {
		m.bar = b.add(name, 0)
	}
	return m
}

// movement is a reader that says how far it is, and stops when nobody waits for it.
type movement struct {
	ctx  context.Context //nolint:containedctx // io.Reader takes none
	r    io.Reader
	view view
	bar  *bar // nil = no terminal, or a small file
	name string
	done int64
	size int64
	last time.Time
}

func (m *movement) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.done += int64(n)
	switch {
	case m.bar != nil:
		m.bar.set(int(m.done>>10), int(m.size>>10), m.text())
		if err != nil {
			m.bar.Abort(true)
		}
	case m.size >= largeFile && time.Since(m.last) >= lineEvery:
		m.last = time.Now()
		m.view.note(m.name + ": " + m.text())
	}
	return n, err
}

func (m *movement) text() string {
	return fmt.Sprintf("%s of %s", humanize.IBytes(uint64(m.done)), humanize.IBytes(uint64(m.size)))
}
