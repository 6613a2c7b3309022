package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	commonpb "go.temporal.io/api/common/v1"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

// Beat is the second value of every heartbeat: it has the same shape for all activities. The
// first value is what HeartbeatDetails returns, which the next attempt reads. Builds without
// a second value read the first one only.
type Beat struct {
	Waits []waits.Reason `json:"waits,omitempty"` // what the activity waits for now, the longest first
	Model *ModelPace     `json:"model,omitempty"` // how fast its model answers; nil = it asks none
}

// ModelPace is how fast the model of an activity answers in this attempt.
type ModelPace struct {
	Model   string  `json:"model"`
	Limit   int     `json:"limit"`           // concurrent calls that the endpoint takes, by all activities of this worker
	Flying  int     `json:"flying"`          // requests of this activity in progress
	Open    int     `json:"open"`            // calls of this activity without an answer; more than flying: they queue or wait
	Calls   int     `json:"calls"`           // requests that ended
	Seconds float64 `json:"seconds"`         // the time that they took together
	Oldest  float64 `json:"oldest_s"`        // age of the oldest request in progress, in seconds
	Elapsed float64 `json:"elapsed_seconds"` // since the first call
}

// ReadBeat reads the second value of a heartbeat. Heartbeats of other builds have none.
func ReadBeat(details *commonpb.Payloads) (b Beat) {
	var first converter.RawValue
	if len(details.GetPayloads()) < 2 || converter.GetDefaultDataConverter().FromPayloads(details, &first, &b) != nil {
		return Beat{}
	}
	return b
}

// Waiting is Wait for a wait whose reason changes: say sets it.
func Waiting(ctx context.Context) (say func(waits.Reason), end func()) {
	place := pulseOf(ctx).waits.Place()
	return func(r waits.Reason) {
		r.Text = safetext.Line(r.Text, safetext.MaxReason)
		place.Set(r)
	}, place.Clear
}

// Wait says in the heartbeats of an activity what it waits for, until the returned function is
// called.
func Wait(ctx context.Context, r waits.Reason) (end func()) {
	say, end := Waiting(ctx)
	say(r)
	return end
}

// pulseOf is the pulse of an activity. Tests of activities run without the interceptor.
func pulseOf(ctx context.Context) *pulse {
	if p, ok := ctx.Value(pulseKey{}).(*pulse); ok {
		return p
	}
	return &pulse{}
}

// record sends a heartbeat. Without anything to say it has no second value.
func (p *pulse) record(details any) {
	b := Beat{Waits: p.waits.List(), Model: p.model.pace(time.Now())}
	switch {
	case len(b.Waits) > 0 || b.Model != nil:
		activity.RecordHeartbeat(p.ctx, details, b)
	case details != nil:
		activity.RecordHeartbeat(p.ctx, details)
	default:
		activity.RecordHeartbeat(p.ctx)
	}
}

// modelPace measures the calls of one activity. The zero value is ready.
type modelPace struct {
	mu     sync.Mutex
	now    ModelPace
	limit  func() int
	began  time.Time
	flying map[int]time.Time // requests in progress
	number int
}

// begin counts a call until the returned function is called.
func (m *modelPace) begin(model string, limit func() int) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() {
		m.began = time.Now()
	}
	m.now.Model, m.limit = model, limit
	m.now.Open++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.now.Open--
	}
}

// timed measures the request that prepare returns.
func (m *modelPace) timed(prepare func(context.Context) (video.Ask, error)) func(context.Context) (video.Ask, error) {
	if prepare == nil {
		return nil
	}
	return func(ctx context.Context) (video.Ask, error) {
		ask, err := prepare(ctx)
		if ask == nil || err != nil {
			return ask, err
		}
		return func(ctx context.Context) (video.PaidAnswer, error) {
			defer m.request()()
			return ask(ctx)
		}, nil
	}
}

func (m *modelPace) request() (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.flying == nil {
		m.flying = map[int]time.Time{}
	}
	m.number++
	number, began := m.number, time.Now()
	m.flying[number] = began
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.flying, number)
		m.now.Calls++
		m.now.Seconds += time.Since(began).Seconds()
	}
}

// pace is what is measured so far; nil = no call was made.
func (m *modelPace) pace(now time.Time) *ModelPace {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() {
		return nil
	}
	out := m.now
	out.Limit, out.Flying, out.Elapsed = m.limit(), len(m.flying), now.Sub(m.began).Seconds()
	for _, began := range m.flying {
		out.Oldest = max(out.Oldest, now.Sub(began).Seconds())
	}
	return &out
}
