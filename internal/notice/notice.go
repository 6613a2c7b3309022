// Package notice waits for the announcement that the host of a worker will be taken away: by
// the metadata service of a cloud, at a URL, or as a file. It stops nothing itself.
package notice

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

// Plugin is the name under which a worker that drains because of a notice tells it in its
// heartbeats to Temporal. The version of the plugin is Notice.String.
const Plugin = "cogflow.notice"

// Notice is an announcement.
type Notice struct {
	From   string    // aws, gcp, azure, the URL or the path
	Action string    // as the cloud names it, such as terminate; empty = unknown
	At     time.Time // when the host is taken away; zero = unknown
}

func (n Notice) String() string {
	text := n.From
	if n.Action != "" {
		text += ": " + n.Action
	}
	if !n.At.IsZero() {
		text += " at " + n.At.UTC().Format(time.RFC3339)
	}
	return text
}

// Options of a watcher.
type Options struct {
	From  string        // aws, gcp, azure, an http(s) URL, or a path
	Every time.Duration // between two questions; 0 = 5 s
	Log   *slog.Logger
	Base  string           // of the metadata service of a cloud; empty = its own address
	Now   func() time.Time // nil = time.Now
}

// Times of a watcher.
const (
	every    = 5 * time.Second
	patience = 4 * time.Second // for one answer; metadata services are on the host
	first    = 2 * time.Minute // for the first answer of Azure, which starts the service
)

// Watcher asks for notices.
type Watcher struct {
	o    Options
	ask  func(ctx context.Context) (*Notice, error)
	http *http.Client
}

// New returns a watcher. It asks nothing yet.
func New(o Options) *Watcher {
	if o.Every <= 0 {
		o.Every = every
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	// No proxy: a metadata service answers this host only.
	w := &Watcher{o: o, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	switch {
	case o.From == "aws":
		w.ask = (&aws{Watcher: w}).ask
	case o.From == "gcp":
		w.ask = w.gcp
	case o.From == "azure":
		w.ask = (&azure{Watcher: w}).ask
	case strings.Contains(o.From, "://"):
		w.ask = w.url
	default:
		w.ask = w.file
	}
	return w
}

// First asks once. A service that cannot be asked is an error: a worker without notices would be
// killed in the middle of paid calls. A notice that is there already is an error, too.
func (w *Watcher) First(ctx context.Context) error {
	limit := patience
	if w.o.From == "azure" {
		limit = first
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	n, err := w.ask(ctx)
	if err != nil {
		return fault.Wrap(fault.ClassOf(err), "ask for notices of", w.o.From,
			fmt.Errorf("%w; correct cogflow.drain.notice or COGFLOW_DRAIN_NOTICE", err))
	}
	if n != nil {
		return fault.New(fault.Capacity, "start worker", "", "this host will be taken away ("+n.String()+"); start the worker on another host")
	}
	return nil
}

// Wait returns the first notice, or the error of ctx. A service that fails is asked again.
func (w *Watcher) Wait(ctx context.Context) (Notice, error) {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for failing := false; ; {
		one, cancel := context.WithTimeout(ctx, patience)
		n, err := w.ask(one)
		cancel()
		switch {
		case ctx.Err() != nil:
			return Notice{}, ctx.Err()
		case err != nil && !failing:
			w.o.Log.Warn("notices cannot be read; they are asked for again", "from", w.o.From, "error", err)
		case err == nil && failing:
			w.o.Log.Info("notices can be read again", "from", w.o.From)
		}
		failing = err != nil
		if n != nil {
			return *n, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Notice{}, ctx.Err()
		}
	}
}

// notice makes a notice of untrusted text.
func (w *Watcher) notice(action string, at time.Time) *Notice {
	return &Notice{From: w.o.From, Action: safetext.Line(action, 64), At: at}
}

// wrong is an answer that a service must not give.
func wrong(what string, args ...any) error {
	return fault.Wrap(fault.Transport, "read notice", "", fmt.Errorf(what, args...))
}
