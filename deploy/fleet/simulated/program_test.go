package simulated

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/deploy/fleet/temporaltest"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
)

// program is a process that ends with the test, or with the process of the test.
type program struct {
	cmd   *exec.Cmd
	ended chan error
}

// launch starts a program, which writes to log and closes it when it has ended.
func launch(t testing.TB, cmd *exec.Cmd, log *os.File) *program {
	t.Helper()
	p := &program{cmd: cmd, ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = child.Attributes(syscall.SIGKILL)
	started := make(chan error, 1)
	go func() {
		p.ended <- child.OnOneThread(func() error {
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		_ = log.Close()
	}()
	require.NoError(t, <-started)
	t.Cleanup(p.kill)
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	p.ended <- <-p.ended
}

// servers counts those of this process. Tests at full size need two.
var servers atomic.Int32

// onPostgres starts a Temporal server on PostgreSQL, and returns its address. Both listen on an address of their own, so that
// their ports are free.
func onPostgres(t testing.TB) string {
	t.Helper()
	const password = "simulated"
	pid, server := os.Getpid(), int(servers.Add(1))
	host := fmt.Sprintf("127.%d.%d.%d", server<<6|pid>>16, pid>>8&0xff, pid&0xff) // a PID has 22 bits
	db := postgrestest.New(t)
	db.Listen(t, host)
	c, err := pgx.Connect(t.Context(), db.Database(t))
	require.NoError(t, err)
	for _, statement := range temporaltest.Databases(password) {
		_, err := c.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, c.Close(t.Context()))

	binary := filepath.Join("..", "..", "..", "bin", "temporal-postgres") // make bin/temporal-postgres
	env := append(os.Environ(), temporaltest.Environment(host, host, password, filepath.Join("..", "..", "compose", "dynamic.yaml"))...)
	for _, args := range temporaltest.Schemas(host) {
		step := exec.CommandContext(t.Context(), binary, args...)
		step.Env = env
		out, err := step.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	said, err := os.Create(filepath.Join(t.TempDir(), "temporal.log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		if text, err := os.ReadFile(said.Name()); err == nil && t.Failed() {
			t.Logf("log of the Temporal server:\n%s", text[max(0, len(text)-6000):])
		}
	})
	serve := exec.Command(binary, "serve", filepath.Join("..", "temporal")) //nolint:noctx // it is killed explicitly
	serve.Env = env
	launch(t, serve, said)
	return host + ":7233"
}
