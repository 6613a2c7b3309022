package devserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
)

const (
	askEvery = 5 * time.Second
	askLimit = 5 * time.Second
	// stuckAfter is the number of questions in a row that the database does not answer.
	stuckAfter = 3
)

// Kept is a server that is started again, with its state and at its address, when its database answers no more. The
// server has one connection to SQLite. A request that is given up in the middle of a read, as on a machine with too much
// work, can leave that connection interrupted for ever: the process lives, and every request fails.
type Kept struct {
	options Options
	ask     func(context.Context, *Server) error
	every   time.Duration
	done    chan struct{} // closed when there is no server any more
	stop    chan struct{} // closed by Stop and Kill
	once    sync.Once     // of stop

	mu     sync.Mutex // held while the server is replaced or stopped
	server *Server
	err    error // why there is no server; read after done
}

// Keep starts a server as Start does, and keeps it until Stop.
func Keep(ctx context.Context, o Options) (*Kept, error) {
	return keep(ctx, o, database, askEvery)
}

func keep(ctx context.Context, o Options, ask func(context.Context, *Server) error, every time.Duration) (*Kept, error) {
	server, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	k := &Kept{options: o, ask: ask, every: every, done: make(chan struct{}), stop: make(chan struct{}), server: server}
	for port, address := range map[*int]string{&k.options.Port: server.Address(), &k.options.UIPort: strings.TrimPrefix(server.UI(), "http://")} {
		if _, text, err := net.SplitHostPort(address); err == nil { // without a Web UI there is no address
			*port, _ = strconv.Atoi(text) // Start made it from a number
		}
	}
	panics.Go(k.watch, func(err error) {
		k.err = err
		close(k.done)
	})
	return k, nil
}

// database asks for something that is read from the database.
func database(ctx context.Context, s *Server) error {
	c, err := dial(s.address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = describeDefault(ctx, c)
	return err
}

// Address is the frontend's host and port.
func (k *Kept) Address() string { return k.current().Address() }

// UI is the address of the Web UI; empty if headless.
func (k *Kept) UI() string { return k.current().UI() }

// Done is closed when there is no server any more.
func (k *Kept) Done() <-chan struct{} { return k.done }

// Stop stops the server, and waits for its end.
func (k *Kept) Stop() error { return k.end((*Server).Stop) }

// Kill ends the server as a crash would, and waits for its end.
func (k *Kept) Kill() error { return k.end((*Server).Kill) }

func (k *Kept) end(by func(*Server) error) error {
	k.mu.Lock()
	k.once.Do(func() { close(k.stop) })
	err := by(k.server)
	k.mu.Unlock()
	<-k.done
	return errors.Join(err, k.err)
}

func (k *Kept) current() *Server {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.server
}

// watch asks the server until it ends.
func (k *Kept) watch() error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for stuck := 0; ; {
		server := k.current()
		select {
		case <-server.Done():
			return server.Wait()
		case <-tick.C:
		}
		if !k.stuck(server) {
			stuck = 0
			continue
		}
		if stuck++; stuck < stuckAfter {
			continue
		}
		stuck = 0
		if err := k.restart(); err != nil {
			return err
		}
	}
}

// stuck reports whether the database is in the state that only a restart ends. A server that is merely slow, or
// that does not answer, is not.
func (k *Kept) stuck(server *Server) bool {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	err := k.ask(ctx, server)
	return err != nil && strings.Contains(err.Error(), "interrupted (9)") // SQLITE_INTERRUPT
}

// restart replaces the server. Everything that it has acknowledged is in its file.
func (k *Kept) restart() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.stop:
		return nil
	default:
	}
	slog.Warn("the database of the Temporal server does not answer any more; restarting the server", "log", k.server.log)
	if err := k.server.Kill(); err != nil {
		return err
	}
	server, err := Start(context.Background(), k.options)
	if err != nil {
		return fault.Wrap(fault.Transport, "restart Temporal server", k.server.address, err)
	}
	k.server = server
	return nil
}
