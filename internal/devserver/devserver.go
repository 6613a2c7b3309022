// Package devserver runs the development server of the Temporal CLI, with its Web UI,
// as a child process: the server that cogflow uses when none is configured. Its state
// is one file that a later start continues with. It listens on loopback only and never
// outlives the process that started it. It knows no workflow of cogflow.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// The ports of the Temporal documentation.
const (
	DefaultPort   = 7233
	DefaultUIPort = 8233
)

const (
	loopback   = "127.0.0.1"
	startLimit = 60 * time.Second // a first start writes the schema; 1 s on an idle machine
	stopGrace  = 10 * time.Second // it needs about 1 s
)

// Options say where and how to run the server.
type Options struct {
	Binary   string            // the temporal CLI; see Find
	Dir      string            // state and log; made if absent
	Port     int               // of the frontend; 0 = a free one
	UIPort   int               // of the Web UI; 0 = a free one
	Headless bool              // no Web UI
	Dynamic  map[string]string // more dynamic configuration: key to JSON value
}

// Server is a running server.
type Server struct {
	address string
	ui      string
	log     string
	command *exec.Cmd
	ending  atomic.Bool   // the end was requested
	done    chan struct{} // closed when the process has ended
	err     error         // why it ended by itself; read after done
}

// Start starts the server and returns when it takes work. ctx bounds the start
// only. A taken port or a second server on the same directory is an input fault
// that says what to do.
func Start(ctx context.Context, o Options) (*Server, error) {
	for attempt := 1; ; attempt++ {
		s, err := start(ctx, o)
		// A port that was free when it was chosen, and further ports that the server
		// chooses itself, may be taken a moment later. One that was taken before is a fault of the input.
		if err == nil || fault.ClassOf(err) == fault.Input || attempt == portAttempts || !strings.Contains(err.Error(), "address already in use") {
			return s, err
		}
	}
}

const portAttempts = 3

func start(ctx context.Context, o Options) (*Server, error) {
	version, err := ServerVersion(ctx, o.Binary)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Disk("start Temporal server", o.Dir, err)
	}
	lock, err := acquire(ctx, StatePrefix(o.Dir)+".lock")
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the child holds its own copy
	if err := o.choosePorts(ctx); err != nil {
		return nil, err
	}
	state, err := openState(o.Dir, version)
	if err != nil {
		return nil, err
	}
	s := &Server{
		address: net.JoinHostPort(loopback, strconv.Itoa(o.Port)),
		log:     StatePrefix(o.Dir) + ".log",
		done:    make(chan struct{}),
	}
	if !o.Headless {
		s.ui = "http://" + net.JoinHostPort(loopback, strconv.Itoa(o.UIPort))
	}
	if err := s.launch(o, state.file, lock); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := state.complete(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Address is the frontend's host and port.
func (s *Server) Address() string { return s.address }

// UI is the address of the Web UI; empty if headless.
func (s *Server) UI() string { return s.ui }

// PID is the process, which leads a group of its own.
func (s *Server) PID() int { return s.command.Process.Pid }

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Wait waits for the end. It returns nil if Stop or Kill asked for it, else a
// fault with the last lines of the log.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Stop asks the server to end, kills it if it does not, and waits for the end.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the server as a crash would. The state file survives it.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) error {
	s.ending.Store(true)
	for _, next := range []syscall.Signal{signal, syscall.SIGKILL} {
		select {
		case <-s.done:
			return nil
		default:
		}
		if err := syscall.Kill(-s.PID(), next); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fault.Wrap(fault.Transport, "stop Temporal server", s.address, err)
		}
		select {
		case <-s.done:
			return nil
		case <-time.After(stopGrace):
		}
	}
	return fault.New(fault.Transport, "stop Temporal server", s.address,
		fmt.Sprintf("process %d does not end", s.PID()))
}
