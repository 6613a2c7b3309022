package uploads

import (
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// A file is stored twice while it is made of its parts.
const copies = 2

// hasRoom refuses a file for which a store has no space, before its first byte. A store that cannot
// tell its free space refuses it later.
func hasRoom(s Store, size int64) error {
	space, ok := s.(interface{ Free() (int64, error) })
	if !ok {
		return nil
	}
	free, err := space.Free()
	if err != nil {
		return err
	}
	if size > free/copies {
		return full("the store has "+number(free)+" bytes free, and the file needs twice its size until it is complete; free space, or upload less", nil)
	}
	return nil
}

// told is what a caller is told about a failure of the store.
func told(err error) error {
	if fault.ClassOf(err) != fault.Capacity {
		return err
	}
	return full("the store has no space left; the bytes before this piece are kept until the upload expires: free space and go on, or DELETE the upload", err)
}

func full(message string, err error) error {
	return &api.Error{Status: http.StatusInsufficientStorage, Code: CodeFull, RetryAfter: time.Minute, Message: message, Err: err}
}
