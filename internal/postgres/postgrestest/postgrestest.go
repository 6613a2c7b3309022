// Package postgrestest starts PostgreSQL servers for tests, from the programs of the
// system. They listen on a Unix socket in a temporary directory, and write to the disk as
// in production.
package postgrestest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Server is a server of one test, or of all tests of a package.
type Server struct {
	dir      string
	address  string // for TCP; empty = none
	programs string
	user     user
	process  *exec.Cmd
	lifeline io.Closer // the server ends when it is closed, also by the end of this process
	log      *bytes.Buffer
	serial   atomic.Int64
}

// shared is the server of all tests of a package.
type shared struct {
	once   sync.Once
	server *Server
	err    error
}

var one shared //nolint:gochecknoglobals // one server a test binary

// Main runs the tests of a package that calls Shared, and ends its server.
func Main(m *testing.M) int {
	code := m.Run()
	if one.server != nil {
		one.server.end()
	}
	return code
}

// Shared returns the server of all tests of the package.
func Shared(t testing.TB) *Server {
	t.Helper()
	one.once.Do(func() { one.server, one.err = create() })
	require.NoError(t, one.err)
	return one.server
}

// New starts a server of the test's own, which it may stop.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := create()
	require.NoError(t, err)
	t.Cleanup(s.end)
	return s
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) (url string) {
	t.Helper()
	name := fmt.Sprint("test", s.serial.Add(1))
	admin := s.connect(t, "postgres")
	_, err := admin.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	require.NoError(t, admin.Close(t.Context()))
	return s.url(name)
}

// url gives the limits for locks and idle transactions that a client has by default a longer time,
// as tests stop at any place on a busy machine.
func (s *Server) url(database string) string {
	return "postgres://" + superuser + "@/" + database + "?host=" + s.dir + "&lock_timeout=60000&idle_in_transaction_session_timeout=60000"
}

func (s *Server) connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.url(database))
	require.NoError(t, err)
	return c
}

// Cut ends all connections to the server but the one that says so. It returns how many
// there were.
func (s *Server) Cut(t testing.TB) (n int) {
	t.Helper()
	c := s.connect(t, "postgres")
	err := c.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE backend_type='client backend' AND pid<>pg_backend_pid()`).Scan(&n)
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
	return n
}

// Stop ends the server as a crash does.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	require.NoError(t, s.lifeline.Close())
	_ = s.process.Wait() // killed: the status says nothing
}

// Start starts a stopped server, and returns when it takes connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	require.NoError(t, s.start())
}

// Listen makes the server take TCP connections, too: at port 5432 of an address of this machine, from 127.0.0.1.
func (s *Server) Listen(t testing.TB, address string) {
	t.Helper()
	s.Stop(t)
	s.address = address
	s.Start(t)
}

const superuser = "postgres"

func create() (*Server, error) {
	programs, err := Programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, programs: programs, user: ordinary(), log: &bytes.Buffer{}}
	if err := s.user.own(dir); err != nil {
		return nil, err
	}
	initdb := s.command("initdb", "-D", s.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, failed("initdb", out, err)
	}
	return s, s.start()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, program), args...) //nolint:noctx // it outlives tests
	cmd.Dir = s.dir
	s.user.run(cmd)
	return cmd
}

// serve runs a server until its standard input ends, and then ends it as a crash does.
const serve = `"$@" & server=$!; read -r _; kill -QUIT "$server"; wait "$server"`

func (s *Server) start() (err error) {
	s.process = exec.Command("/bin/sh", "-c", serve, "sh", filepath.Join(s.programs, "postgres"), //nolint:noctx // it outlives tests
		"-D", s.data(), "-k", s.dir, "-c", "listen_addresses="+s.address, "-c", "max_connections=200")
	s.process.Dir = s.dir
	s.user.run(s.process)
	s.log.Reset()
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if s.lifeline, err = s.process.StdinPipe(); err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	return s.ready()
}

// ready waits until the server takes connections.
func (s *Server) ready() error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(time.Minute)
	for {
		out, err := s.command("pg_isready", "-h", s.dir).CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			s.end()
			return failed("postgres", append(out, s.log.Bytes()...), err)
		}
		<-tick.C
	}
}

func (s *Server) end() {
	_ = s.lifeline.Close() // closed already if it was stopped
	_ = s.process.Wait()
	_ = os.RemoveAll(s.dir)
}
