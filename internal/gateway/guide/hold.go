package guide

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

const (
	// shortest is how long frames are kept at least. Storing them and starting their job takes less.
	shortest = time.Hour
	// removalTime bounds a removal. Its lease is longer, so neither a gateway that takes the removal
	// over, nor one that stores the frames again, can meet a delete of the first one.
	removalTime  = 2 * time.Minute
	removalLease = 5 * time.Minute
)

func (a *API) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// kept is how long the frames of a batch are kept after the last request with them.
func (a *API) kept() time.Duration { return max(a.For, shortest) }

// hold keeps the frames of a batch until its job has begun. It comes before the look at which of them
// are stored: a gateway that would remove them finds it, and keeps them.
func (a *API) hold(ctx context.Context, store activities.Store, prefix string) error {
	for {
		h, err := readHold(ctx, store, prefix)
		if err != nil {
			return err
		}
		now := a.now()
		if h.Removing && now.Before(h.Until) {
			return &api.Error{
				Status: http.StatusServiceUnavailable, Code: api.CodeBusy, RetryAfter: 5 * time.Second,
				Message: "frames of an earlier request with this batch are being removed; send it again",
			}
		}
		err = h.replace(ctx, store, video.BatchHold{Until: now.Add(a.kept()).UTC()})
		if !errors.Is(err, object.ErrChanged) {
			return err
		}
	}
}

// held is a hold as it was read.
type held struct {
	video.BatchHold
	key    string
	exists bool
	sum    string
}

// readHold reads the hold of a batch. A damaged one holds nothing.
func readHold(ctx context.Context, store activities.Store, prefix string) (held, error) {
	h := held{key: video.BatchHoldKey(prefix)}
	r, info, err := store.Get(ctx, h.key)
	if err == nil {
		defer r.Close()
		h.exists, h.sum = true, info.SHA256
		var data []byte
		if data, err = io.ReadAll(r); err == nil {
			err = json.Unmarshal(data, &h.BatchHold)
		}
	}
	switch {
	case errors.Is(err, object.ErrNotFound):
		return h, nil
	case errors.Is(err, object.ErrCorrupt):
		h.exists, h.BatchHold = true, video.BatchHold{}
		return h, nil
	}
	return h, err
}

// replace writes a hold if the one that was read is still there; otherwise it returns
// object.ErrChanged.
func (h held) replace(ctx context.Context, store activities.Store, next video.BatchHold) error {
	next.By = rand.Text()
	data, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if h.exists {
		_, err = store.Replace(ctx, h.key, h.sum, bytes.NewReader(data))
	} else {
		_, err = store.Create(ctx, h.key, bytes.NewReader(data))
	}
	if errors.Is(err, object.ErrExists) || errors.Is(err, object.ErrNotFound) {
		return object.ErrChanged
	}
	return err
}
