package blob

import (
	"errors"
	"io/fs"
	"path"
)

// place calls publish, which needs the directory of key, and makes the
// directory when publish finds it missing. A concurrent Delete may remove it
// again in between, so that this can take several turns.
func (s *File) place(key string, publish func() error) error {
	const turns = 100 // far more than deletes can win; a bug must not spin forever
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

// settle makes the staged content, every earlier Put and the directory of key
// durable, in this order of need: a name must not outlive what it names.
func (s *File) settle(st *staged, key string) error {
	if _, err := s.root.Lstat(path.Dir(key)); err != nil {
		return err // missing: place makes it and comes back
	}
	return syncAll(st.file)
}

// syncDir makes the names in a directory durable. The directory may have been
// removed meanwhile, with the object in it: then there is nothing to keep.
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
