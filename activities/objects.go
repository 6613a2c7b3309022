package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// WriteJSON stores v. Writing the same key again is harmless, because equal keys have equal
// content.
func WriteJSON(ctx context.Context, s Store, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(data))
	return err
}

// WriteManifest stores v durably. Everything that was stored before it can be relied on.
func WriteManifest(ctx context.Context, s Store, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	for {
		_, err := s.Create(ctx, key, bytes.NewReader(data))
		if !errors.Is(err, object.ErrExists) {
			return err
		}
		old, err := s.Stat(ctx, key)
		if err == nil || errors.Is(err, object.ErrCorrupt) { // a corrupt object has no SHA-256
			_, err = s.Replace(ctx, key, old.SHA256, bytes.NewReader(data))
		}
		if !errors.Is(err, object.ErrChanged) && !errors.Is(err, object.ErrNotFound) {
			return err
		}
	}
}

// KeepFirst stores v durably unless a whole object exists: if several attempts of one job
// publish a version, the first one counts.
func KeepFirst(ctx context.Context, s Store, key string, v any) error {
	err := CreateJSON(ctx, s, key, v)
	if !errors.Is(err, object.ErrExists) {
		return err
	}
	if there, err := Whole(ctx, s, key); there || err != nil {
		return err
	}
	return WriteManifest(ctx, s, key, v) // a crash of the machine damaged it
}

// ReadJSON reads an object of WriteJSON. The error object.ErrNotFound is kept.
func ReadJSON(ctx context.Context, s Store, key string, v any) error {
	data, err := ReadAll(ctx, s, key)
	if err != nil {
		return err
	}
	return fault.Wrap(fault.Input, "read object", key, json.Unmarshal(data, v))
}

// ReadAll reads a whole object; its error is object.ErrNotFound or object.ErrCorrupt where that holds.
func ReadAll(ctx context.Context, s Store, key string) ([]byte, error) {
	r, info, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := bytes.NewBuffer(make([]byte, 0, info.Size+bytes.MinRead))
	_, err = out.ReadFrom(r)
	return out.Bytes(), err
}

// Absent reports whether an object must be made (again): it is missing, or a crash of the
// machine damaged it.
func Absent(err error) bool {
	return errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrCorrupt)
}

// CreateJSON writes v durably unless the key exists.
func CreateJSON(ctx context.Context, s Store, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = s.Create(ctx, key, bytes.NewReader(data))
	if errors.Is(err, object.ErrExists) {
		if _, torn := s.Stat(ctx, key); errors.Is(torn, object.ErrCorrupt) {
			_, err = s.Replace(ctx, key, "", bytes.NewReader(data))
		}
	}
	return err
}

// DeletePrefix deletes every object below a prefix and returns their number.
func DeletePrefix(ctx context.Context, s Store, prefix string) (int, error) {
	deleted := 0
	err := s.List(ctx, prefix, func(o object.Info) error {
		deleted++
		return s.Delete(ctx, o.Key)
	})
	return deleted, err
}

// Whole reports whether an object is stored completely. It reads the object, because only
// that proves that a crash of the machine did not damage it.
func Whole(ctx context.Context, s Store, key string) (bool, error) {
	if key == "" {
		return false, nil
	}
	_, err := ReadAll(ctx, s, key)
	if Absent(err) {
		return false, nil
	}
	return err == nil, err
}

// FetchFile fetches one file of a manifest and checks its hash.
func FetchFile(ctx context.Context, s Store, prefix string, f training.CheckpointFile, dir string) error {
	if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
		return fault.New(fault.Input, "read manifest", prefix, "it names a file outside: "+f.Name)
	}
	info, err := s.Stat(ctx, prefix+f.Name)
	if err == nil && info.SHA256 != f.SHA256 {
		err = object.ErrCorrupt
	}
	if err != nil {
		return err
	}
	to := filepath.Join(dir, filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fault.Disk("fetch file to", to, err)
	}
	return FetchObject(ctx, s, prefix+f.Name, to)
}

// FetchObject copies an object to a file, atomically.
func FetchObject(ctx context.Context, s Store, key, to string) error {
	in, _, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to + ".part")
	if err != nil {
		return fault.Disk("fetch object to", to, err)
	}
	_, err = io.Copy(out, in) // errors of the store have a class already; the rest is of this disk
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return fault.Disk("fetch object to", to, err)
}

// CopyObject copies within the store and checks the hash of the copy.
func CopyObject(ctx context.Context, s Store, from, to, sha256 string) error {
	in, _, err := s.Get(ctx, from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := s.Put(ctx, to, in)
	if err == nil && info.SHA256 != sha256 {
		return fault.New(fault.Transport, "copy object", to, "its hash is not what the manifest says")
	}
	return err
}

// ReportResult is the stored report.
type ReportResult struct {
	Key           string `json:"key"`
	RepeatedCalls int    `json:"repeated_calls,omitempty"` // of the requested job
	// Spend is what the ledger says of that job; nil: not asked, or a former build.
	Spend *video.Spend `json:"spend,omitempty"`
}
