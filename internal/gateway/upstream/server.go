package upstream

import (
	"cmp"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	defaultTimeout = 10 * time.Minute
	// ejectAfter failures in a row take a server out for ejectFor, twice as long each time, up to
	// ejectAtMost. Its health may look good all the while.
	ejectAfter  = 3
	ejectFor    = 5 * time.Second
	ejectAtMost = time.Minute
)

// server is one endpoint.
type server struct {
	config.Endpoint
	missing error // why it cannot be called
	client  *answer.Client
	limit   *limit.Limit // shared by the endpoints of a server
	gpu     *gpuClock    // likewise

	mu       sync.Mutex
	inFlight int
	failed   int // in a row
	until    time.Time
}

func newServer(e config.Endpoint, getenv func(string) string, redactor *safetext.Redactor, l *limit.Limit, g *gpuClock) *server {
	s := &server{Endpoint: e, limit: l, gpu: g}
	key := ""
	if e.KeyVariable != "" {
		if key = getenv(e.KeyVariable); key == "" {
			s.missing = money.NeverSent(fault.New(fault.Auth, "read the key of endpoint", e.Name, "the variable "+e.KeyVariable+" is not set in the environment of the gateway"))
		}
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	s.client = answer.New(answer.Options{Op: op, Key: key, Timeout: s.Timeout, MaxBytes: maxAnswer, Redactor: redactor})
	return s
}

// enter counts a request; leave gets whether the server itself failed.
func (s *server) enter() (leave func(failed, counts bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
	return func(failed, counts bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight--
		switch {
		case !counts:
		case !failed:
			s.failed, s.until = 0, time.Time{}
		default:
			if s.failed++; s.failed >= ejectAfter {
				s.until = time.Now().Add(min(ejectFor<<min(s.failed-ejectAfter, 8), ejectAtMost))
			}
		}
	}
}

// standing is how well a server can take a request.
type standing struct {
	out      bool
	onDemand bool    // it may not run; false if it has requests in progress
	load     float64 // the share of its slots that is taken; 1 and more = it is full
}

func (s *server) standing(now time.Time) standing {
	slots := s.limit.Limit()
	s.mu.Lock()
	defer s.mu.Unlock()
	return standing{
		out: s.missing != nil || now.Before(s.until), onDemand: s.OwnServer != "" && s.inFlight == 0, load: float64(s.inFlight) / float64(slots),
	}
}

// compare orders servers, the best first: those that are out last, full ones before them, and a
// server that may have to be started after those that run.
func (a standing) compare(b standing) int {
	rank := func(s standing) int {
		switch {
		case s.out:
			return 3
		case s.load >= 1:
			return 2
		case s.onDemand:
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.load, b.load))
}
