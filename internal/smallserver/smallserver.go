// Package smallserver runs the server of small models (embedder/, `make small`) as a child
// process: speech and meaning on this machine's CPU. It listens on loopback only and never
// outlives the process that started it. It knows no workflow and no profile.
package smallserver

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/panics"
)

// DefaultPort is the port that Start tries first, so that the address is the same after a
// restart.
const DefaultPort = 8092

const (
	stamp     = "small/.venv/.compiled" // written by `make small` when the packages are complete
	stopGrace = 10 * time.Second
	// A process that ends earlier than aliveAfter did not start. After maxStarts of these in a
	// row no more are made, and calls are refused instead of waiting.
	aliveAfter = time.Minute
	maxStarts  = 3
)

// Find returns the folder of the embedder, if the packages of the small models are installed
// there: in the working directory, as in a checkout, or beside the folder of the program.
func Find() (folder string, ok bool) {
	places := []string{"embedder"}
	if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(filepath.Dir(self)), "embedder"))
	}
	for _, place := range places {
		if _, err := os.Stat(filepath.Join(place, stamp)); err == nil {
			return place, true
		}
	}
	return "", false
}

// Server is a running server. A process that dies is started again, and requests wait for it
// meanwhile.
type Server struct {
	listener net.Listener
	stop     context.CancelFunc
	done     chan struct{}
	err      error // why it was given up; read after done
}

// Options say where the server is and what it writes.
type Options struct {
	Folder string // of the embedder; see Find
	Log    string // file that gets the output of its processes
	Port   int    // 0 = DefaultPort, or a free one where that is taken
}

// Start starts the server. It returns at once: requests wait until the models are loaded.
func Start(o Options) (*Server, error) {
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return nil, err
	}
	listener, err := listen(o.Port)
	if err != nil {
		return nil, fault.Wrap(fault.Input, "listen for small models", strconv.Itoa(o.Port), err)
	}
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, errors.Join(fault.Disk("start small models", o.Log, err), listener.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{listener: listener, stop: cancel, done: make(chan struct{})}
	panics.Go(func() error { return s.keep(ctx, folder, log) }, func(err error) {
		s.err = errors.Join(err, log.Close(), listener.Close())
		close(s.done)
	})
	return s, nil
}

func listen(port int) (net.Listener, error) {
	address := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	if port != 0 {
		return net.Listen("tcp", address(port)) //nolint:noctx // it resolves no name
	}
	l, err := net.Listen("tcp", address(DefaultPort)) //nolint:noctx // it resolves no name
	if errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", address(0)) //nolint:noctx // it resolves no name
	}
	return l, err
}

// URL is the base URL of the server, as endpoints name it.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/v1" }

// Done is closed when the server was stopped or given up.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends the process and waits for its end. The error says why the server was given up
// before.
func (s *Server) Stop() error {
	s.stop()
	<-s.done
	return s.err
}

// keep runs processes until ctx ends, or until none starts.
func (s *Server) keep(ctx context.Context, folder string, log *os.File) error {
	for failed := 0; ; {
		began := time.Now()
		err := s.run(ctx, folder, log)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped
		}
		if failed++; time.Since(began) > aliveAfter {
			failed = 1
		}
		if failed == maxStarts {
			return fault.Wrap(fault.Input, "start small models; see the log", log.Name(), err)
		}
	}
}

// run runs one process. It gets the listening socket, so that the address stays the same.
func (s *Server) run(ctx context.Context, folder string, log *os.File) error {
	socket, err := s.listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer socket.Close()
	const first = 3 // the descriptor of the first of ExtraFiles
	python := filepath.Join(folder, "small", ".venv", "bin", "python")
	cmd := exec.CommandContext(ctx, python, "-m", "embedder.small", "--fd", strconv.Itoa(first)) //nolint:gosec // the folder is the embedder's
	cmd.Dir = folder
	cmd.Env = []string{"PYTHONPATH=" + filepath.Join(folder, "src"), "HF_HUB_OFFLINE=1"}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains([]string{"PATH", "HOME", "TMPDIR", "OMP_NUM_THREADS"}, name) { // it needs no keys
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = child.Attributes(syscall.SIGKILL)
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	cmd.WaitDelay = stopGrace
	err = child.OnOneThread(cmd.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Input, "start small models", cmd.Path, errors.New("not installed; run make small"))
	}
	return err
}
