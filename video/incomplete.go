package video

import "errors"

// ErrIncomplete marks the fault of an index that does not hold all documents of a
// generation that is to be published: it has lost some since they were stored.
var ErrIncomplete = errors.New("the index is incomplete")
