package memory

import (
	"context"
	"math"
	"time"

	"github.com/cogniverse/cogflow/internal/learned"
	"github.com/cogniverse/cogflow/internal/limit"
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

// Store is the object store.
type Store = learned.Store

func kept() learned.Kind[Record] {
	return learned.Kind[Record]{Folder: "limits", What: "learned limit"}
}

// Prefix holds how many concurrent calls a server takes, for all tenants: one object for each
// process that has called the model there.
func Prefix(server, model string) string { return kept().Prefix(server, model) }

func (r Record) key(server string) string { return Prefix(server, r.Model) + r.Process + ".json" }

// Read lists the records of a model at a server that have not expired. The error names objects
// that cannot be read; the others are listed.
func Read(ctx context.Context, s Store, server, model string) ([]Record, error) {
	return kept().Read(ctx, s, server, model, func(key string, r Record) bool {
		return r.key(server) == key && r.sound() && time.Now().Before(r.Expires())
	})
}

// sound reports whether the numbers can be of a process.
func (r Record) sound() bool {
	const most = 1 << 20
	return r.Limit > 0 && r.Limit < most && r.RefusedAt >= 0 && r.RefusedAt < most && r.Processes < most && r.Latency > 0 && r.Spread >= 0
}

// Forget removes the records that match, and returns them. Workers start from the beginning within
// a minute.
func Forget(ctx context.Context, s Store, match func(Record) bool) ([]Record, error) {
	return kept().Forget(ctx, s, match)
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
