package door

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
)

// limits are those of tenants in this process.
type limits struct {
	max       int
	perMinute int
	now       func() time.Time

	mu sync.Mutex
	by map[tenant.ID]*use
}

// use is what a tenant uses at the moment. Tokens are the requests that it may still make; they
// fill up in a minute.
type use struct {
	inFlight int
	tokens   float64
	at       time.Time
}

// mostTenants bounds the memory: more tenants than this have made requests, and idle ones are
// forgotten.
const mostTenants = 10_000

// enter counts a request, or says why there are too many.
func (l *limits) enter(t tenant.ID) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	u := l.by[t]
	if u == nil {
		l.forget(now)
		u = &use{tokens: float64(l.perMinute), at: now}
		l.by[t] = u
	}
	if u.inFlight >= l.max {
		return nil, tooMany(fmt.Sprintf("the tenant has %d requests in flight, which is its limit", u.inFlight), time.Second)
	}
	if l.perMinute > 0 {
		rate := float64(l.perMinute) / time.Minute.Seconds()
		u.tokens = min(u.tokens+now.Sub(u.at).Seconds()*rate, float64(l.perMinute))
		u.at = now
		if u.tokens < 1 {
			return nil, tooMany(fmt.Sprintf("the tenant has made %d requests in a minute, which is its limit", l.perMinute),
				time.Duration((1-u.tokens)/rate*float64(time.Second)))
		}
		u.tokens--
	}
	u.inFlight++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		u.inFlight--
	}, nil
}

func (l *limits) forget(now time.Time) {
	if l.by == nil {
		l.by = map[tenant.ID]*use{}
	}
	if len(l.by) < mostTenants {
		return
	}
	for t, u := range l.by {
		if u.inFlight == 0 && now.Sub(u.at) > time.Minute {
			delete(l.by, t)
		}
	}
}

func tooMany(message string, after time.Duration) error {
	return &api.Error{Status: http.StatusTooManyRequests, Code: "rate_limit_exceeded", Message: message, RetryAfter: after}
}

func clean(text string) string { return safetext.Line(text, safetext.MaxReason) }
