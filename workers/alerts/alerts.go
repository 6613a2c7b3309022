// Package alerts watches the budgets of the ledger, and tells a webhook and a workflow when one is
// nearly or wholly spent. Each worker of the pool cogflow runs it. Which alerts there are, and who
// has which, is in the ledger, so any number of workers tell each alert once, or again after a
// crash. It decides nothing about a call.
package alerts

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/alerting"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/webhook"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
)

// Signal is what the workflow gets.
const Signal = "budget_alert"

const (
	every = 5 * time.Second
	// lease is longer than one attempt takes for all receivers.
	lease = time.Minute
	// attemptFor limits one attempt for one receiver.
	attemptFor = 15 * time.Second
	longest    = 10 * time.Minute // pause between two attempts
)

// Options of Start.
type Options struct {
	Config   alerting.Alerts
	Getenv   func(string) string
	Ledger   *ledger.Ledger
	Temporal client.Client
	Log      *slog.Logger

	Every, Lease, Pause time.Duration // 0 = the usual
}

// receiver is one that is told.
type receiver struct {
	name string
	tell func(ctx context.Context, m Message, body []byte) error
}

// Watch is the watch of one process.
type Watch struct {
	o         Options
	receivers []receiver
	seen      atomic.Pointer[seen]
	stop      context.CancelFunc
	work      panics.Group
}

// seen is what was last read of the budgets.
type seen struct {
	budgets []money.Standing
	at      time.Time // zero = never
	err     error     // of the last attempt
}

// Start watches until Close.
func Start(o Options) (*Watch, error) {
	o.Every, o.Lease, o.Pause = cmp.Or(o.Every, every), cmp.Or(o.Lease, lease), cmp.Or(o.Pause, time.Second)
	w := &Watch{o: o}
	w.seen.Store(&seen{})
	var hook *webhook.Webhook
	if o.Config.Webhook != "" {
		secret := o.Getenv(o.Config.SecretEnv)
		if secret == "" {
			return nil, fault.New(fault.Auth, "read the secret of the webhook", "", "the variable "+o.Config.SecretEnv+
				" is not set in the environment of this worker; set it, or serve the pool cogflow by another worker (--pools)")
		}
		var err error
		if hook, err = webhook.New(o.Config.Webhook, secret); err != nil {
			return nil, err
		}
		w.receivers = append(w.receivers, receiver{"webhook", func(ctx context.Context, m Message, body []byte) error { return hook.Post(ctx, m.ID, body) }})
	}
	if id := o.Config.Workflow; id != "" {
		w.receivers = append(w.receivers, receiver{"workflow", func(ctx context.Context, m Message, _ []byte) error {
			return o.Temporal.SignalWorkflow(ctx, id, "", Signal, m)
		}})
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.work.Go(func() error { return w.loop(ctx, w.check) })
	if len(w.receivers) > 0 {
		w.work.Go(func() error { return w.loop(ctx, w.deliver) }) // a slow receiver delays no check
	}
	if hook != nil {
		w.stop = func() { stop(); hook.Close() }
	}
	return w, nil
}

// Budgets are as they were last read, when that was by the clock of this process, and why a later
// attempt failed. It does not wait.
func (w *Watch) Budgets() (all []money.Standing, at time.Time, err error) {
	s := w.seen.Load()
	return s.budgets, s.at, s.err
}

// Close ends the watch. What it was telling is told by another worker, or after the next start.
func (w *Watch) Close() error {
	w.stop()
	return w.work.Wait()
}

func (w *Watch) loop(ctx context.Context, do func(ctx context.Context)) error {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for {
		do(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// check reads the budgets. A failure keeps what was read before.
func (w *Watch) check(ctx context.Context) {
	before, now := w.seen.Load(), seen{at: time.Now()}
	if len(w.receivers) > 0 {
		now.budgets, now.err = w.o.Ledger.CheckBudgets(ctx, w.o.Config.Thresholds)
	} else {
		now.budgets, now.err = w.o.Ledger.Budgets(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	if now.err != nil {
		now.budgets, now.at = before.budgets, before.at
		if before.err == nil {
			w.o.Log.Warn("budgets cannot be read; alerts are late", "error", now.err)
		}
	} else if before.err != nil {
		w.o.Log.Info("budgets can be read again")
	}
	w.seen.Store(&now)
}

// deliver tells all alerts that are due.
func (w *Watch) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		d, found, err := w.o.Ledger.TakeAlert(ctx, w.o.Lease)
		if err != nil || !found {
			return // check says that the ledger cannot be read; the next tick tries again
		}
		w.tell(ctx, d)
	}
}

// tell tells the receivers that lack an alert. What cannot be noted is told again after the
// lease, with the same id.
func (w *Watch) tell(ctx context.Context, d ledger.Due) {
	m := messageOf(d.Alert)
	body, err := json.Marshal(m)
	missing := err != nil // never
	for _, r := range w.receivers {
		if slices.Contains(strings.Fields(d.Told), r.name) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, attemptFor)
		err := r.tell(limited, m, body)
		cancel()
		if err != nil {
			missing = true
			w.o.Log.Warn("budget alert", "id", m.ID, "to", r.name, "attempt", d.Attempts, "error", err)
			continue
		}
		d.Told = strings.TrimSpace(d.Told + " " + r.name)
		w.o.Log.Info("budget alert", "id", m.ID, "to", r.name, "attempt", d.Attempts, "text", m.Data.Text)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptFor)
	defer cancel()
	if missing {
		err = w.o.Ledger.PutOffAlert(ctx, d, w.pause(d.Attempts))
	} else {
		err = w.o.Ledger.EndAlert(ctx, d)
	}
	if err != nil {
		w.o.Log.Warn("budget alert is not noted; it is sent again", "id", m.ID, "error", err)
	}
}

// pause is how long to wait after a number of attempts.
func (w *Watch) pause(attempts int) time.Duration {
	return min(w.o.Pause<<min(max(attempts-1, 0), 16), longest)
}
