package video

import "errors"

// ErrIncomplete marks the fault of an index that has lost stored documents of a generation
// that is being published.
var ErrIncomplete = errors.New("the index is incomplete")
