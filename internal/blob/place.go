package blob

import (
	"errors"
	"io/fs"
	"path"
)

// place calls publish, and makes the directory of key when it is missing. A concurrent
// Delete may remove it again, so this may need several attempts.
func (s *File) place(key string, publish func() error) error {
	const turns = 100 // far more than concurrent deletes can cause; a bug must not loop forever
	var err error
	for range turns {
		if err = publish(); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = s.root.MkdirAll(path.Dir(key), dirMode)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

// settle makes the staged content, every earlier Put and the directory of key durable, in
// this order: a name must not become durable before its content.
func (s *File) settle(st *staged, key string) error {
	if _, err := s.root.Lstat(path.Dir(key)); err != nil {
		return err // missing: place makes it and calls again
	}
	return syncAll(st.file)
}

// syncDir makes the names in a directory durable. If it was removed meanwhile, with the
// object in it, there is nothing to do.
func (s *File) syncDir(dir string) error {
	f, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
