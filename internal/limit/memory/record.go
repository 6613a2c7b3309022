package memory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
)

// Record is what one process has learned about the limit of a server when it called a model.
type Record struct {
	Endpoint  string    `json:"endpoint"`             // its name in the configuration
	Model     string    `json:"model"`                //
	Limit     int       `json:"limit"`                // concurrent calls of this process
	RefusedAt int       `json:"refused_at,omitempty"` // concurrent calls of this process at the last refusal; 0 = none
	Latency   float64   `json:"latency_s"`            // of a call that does not queue: geometric mean
	Spread    float64   `json:"spread"`               // standard deviation of the logarithms of latencies
	Process   string    `json:"process"`              // a random name
	Processes int       `json:"processes"`            // that called the server at the time; at least 1
	Since     time.Time `json:"since"`                // when the process learned it first
	Last      time.Time `json:"last"`                 // when it was confirmed last
	Ended     bool      `json:"ended,omitempty"`      // the process has stopped
}

const (
	fresh = 24 * time.Hour     // a record is believed for so long; then it halves its distance to the default every day
	valid = 7 * 24 * time.Hour // an older record is ignored and removed
	alive = 3 * time.Minute    // a process that has not written for so long does not call the server any more
)

// Expires is when the record is ignored.
func (r Record) Expires() time.Time { return r.Last.Add(valid) }

// Store is the object store. It is told the limits of all tenants: a limit is a property of a
// server, not of a request.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader) (object.Info, error)
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	Delete(ctx context.Context, key string) error
}

const folder = string(tenant.Default) + "/limits/"

// Prefix holds how many concurrent calls a server takes, for all tenants: one object for each
// process that has called the model there.
func Prefix(server, model string) string {
	hash := sha256.Sum256([]byte(server + "\x00" + model))
	return folder + hex.EncodeToString(hash[:16]) + "/"
}

func (r Record) key(server string) string { return Prefix(server, r.Model) + r.Process + ".json" }

// Read lists the records of a model at a server that have not expired. The error names objects
// that cannot be read; the others are listed.
func Read(ctx context.Context, s Store, server, model string) (all []Record, err error) {
	var unreadable []error
	err = s.List(ctx, Prefix(server, model), func(i object.Info) error {
		r, err := read(ctx, s, i.Key)
		switch {
		case errors.Is(err, object.ErrNotFound): // removed meanwhile
		case err != nil:
			unreadable = append(unreadable, err)
		case r.key(server) == i.Key && r.sound() && time.Now().Before(r.Expires()):
			all = append(all, r)
		}
		return ctx.Err()
	})
	return all, errors.Join(append(unreadable, err)...)
}

// sound reports whether the numbers can be of a process.
func (r Record) sound() bool {
	const most = 1 << 20
	return r.Limit > 0 && r.Limit < most && r.RefusedAt >= 0 && r.RefusedAt < most && r.Processes < most && r.Latency > 0 && r.Spread >= 0
}

func read(ctx context.Context, s Store, key string) (r Record, err error) {
	body, _, err := s.Get(ctx, key)
	if err != nil {
		return r, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<16))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fault.Wrap(fault.Input, "read learned limit", key, err)
	}
	return r, nil
}

func write(ctx context.Context, s Store, server string, r Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, r.key(server), bytes.NewReader(text))
	return err
}

// Forget removes the records that match, and returns them. Workers start from the beginning within
// a minute.
func Forget(ctx context.Context, s Store, match func(Record) bool) (removed []Record, err error) {
	err = s.List(ctx, folder, func(i object.Info) error {
		r, err := read(ctx, s, i.Key)
		if errors.Is(err, object.ErrNotFound) || err == nil && !match(r) {
			return nil
		}
		if err == nil {
			removed = append(removed, r)
		}
		return s.Delete(ctx, i.Key) // also one that cannot be read
	})
	return removed, err
}

// Newest is the record that was confirmed last, and how many processes other than self call the
// server now. ok is false if there is none.
func Newest(all []Record, self string, now time.Time) (newest Record, others int, ok bool) {
	for _, r := range all {
		if !r.Ended && r.Process != self && now.Sub(r.Last).Abs() < alive {
			others++
		}
		if !ok || r.Last.After(newest.Last) {
			newest, ok = r, true
		}
	}
	return newest, others, ok
}

// Total is how many concurrent calls the server takes, of all processes.
func (r Record) Total() int { return r.Limit * max(r.Processes, 1) }

// share is the start of a process that calls the server beside others: its part of what the server
// takes. An old record counts less and less.
func (r Record) share(others int, now time.Time) limit.State {
	days := max(0, now.Sub(r.Last.Add(fresh)).Hours()/24)
	total := limit.DefaultStart + float64(r.Total()-limit.DefaultStart)*math.Exp2(-days)
	part := 1 / float64(others+1)
	return limit.State{
		Limit: max(1, int(total*part)), Ceiling: int(float64(r.RefusedAt*max(r.Processes, 1)) * part), Latency: r.Latency, Spread: r.Spread,
	}
}
