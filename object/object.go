// Package object holds what callers and stores agree on: the description of an object,
// and the errors of conditional writes. It does no I/O and knows no layout of keys.
package object

import (
	"errors"
	"io"
	"time"
)

// Info describes one stored object.
type Info struct {
	Key      string    `json:"key"`    // slash-separated, tenant first
	Size     int64     `json:"size"`   // bytes
	SHA256   string    `json:"sha256"` // lower-case hexadecimal, of the content
	Modified time.Time `json:"modified"`
}

// Content is an object of which the size and the SHA-256 are known before it is read.
type Content struct {
	Size   int64
	SHA256 string // lower-case hexadecimal
	// Open opens it at its beginning. It is called again if the store has to begin again.
	Open func() (io.ReadCloser, error)
}

// A store returns these when the state of a key is not what the caller assumed. They are
// results, not faults: the caller decides what they mean.
var (
	// ErrNotFound: the object does not exist.
	ErrNotFound = errors.New("object not found")
	// ErrExists: a conditional create failed, because the object exists.
	ErrExists = errors.New("object already exists")
	// ErrChanged: a conditional replace or delete failed, because the content is not the
	// expected one.
	ErrChanged = errors.New("object has changed")
	// ErrMismatch: the content that was to be stored does not have the size and the SHA-256 that
	// were announced.
	ErrMismatch = errors.New("content differs from what was announced")
	// ErrCorrupt: the bytes read do not have the SHA-256 they were stored with.
	ErrCorrupt = errors.New("object is corrupt")
)
