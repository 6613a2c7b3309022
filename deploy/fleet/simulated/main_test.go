// Package simulated runs a fleet with all GPU classes on one machine: a real Temporal server with
// cogflow's settings, the real workflows and the real options of workers. Only the work on GPUs is
// simulated: it ends at once, or when the test says so.
package simulated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cogniverse/cogflow/internal/devserver"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(asProcess); text != "" {
		fmt.Fprintln(os.Stderr, runProcess(text))
		os.Exit(1)
	}
	code := m.Run()
	if err := stopServer(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// stopServer stops the server that tests share and removes its state. The first test that needs the server sets it.
var stopServer = func() error { return nil }

// server is the Temporal server of all tests, with the settings of `cogflow-worker --dev`. Each test
// has a namespace of its own, so the fleets do not see each other.
var server = sync.OnceValues(func() (*devserver.Kept, error) {
	binary, err := devserver.Find(filepath.Join("..", "..", "..", "bin"))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cogflow-fleet-")
	if err != nil {
		return nil, err
	}
	s, err := devserver.Keep(context.Background(), devserver.Options{Binary: binary, Dir: dir, Headless: true})
	if err != nil {
		return nil, err
	}
	stopServer = func() error {
		if err := s.Stop(); err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}
	return s, nil
})

// address is where the server for the test is. At full size, that is one of its own, which a development server with its
// one SQLite file cannot replace.
func address(t testing.TB) string {
	t.Helper()
	if atFullSize() {
		return onPostgres(t)
	}
	s, err := server()
	require.NoError(t, err)
	return s.Address()
}

// dial makes a namespace for the test and returns a client of it.
func dial(t testing.TB, address string) (c client.Client, namespace string) {
	t.Helper()
	namespace = strings.ToLower(regexp.MustCompile(`\W+`).ReplaceAllString(t.Name(), "-"))
	c, err := client.NewLazyClient(client.Options{
		HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	patiently(t, "make a namespace", func() error {
		_, err := c.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); exists {
			return nil
		}
		return err
	})
	await(t, "the namespace", func() bool { return devserver.Register(t.Context(), c, namespace) == nil })
	return c, namespace
}

// atFullSize reports whether `make soak` runs the tests.
func atFullSize() bool { return os.Getenv("COGFLOW_SOAK") != "" }

// await waits until a state is reached, however long a busy machine takes.
func await(t testing.TB, what string, reached func() bool) {
	t.Helper()
	limit := 5 * time.Minute
	if atFullSize() {
		limit = time.Hour
	}
	require.Eventually(t, reached, limit, 100*time.Millisecond, what)
}

// patiently repeats a question until the server answers it, which it does not while it is restarted. A job that failed is
// an answer.
func patiently(t testing.TB, what string, request func() error) {
	t.Helper()
	var last error
	await(t, what, func() bool {
		last = request()
		_, failed := errors.AsType[*temporal.WorkflowExecutionError](last)
		return last == nil || failed
	})
	require.NoError(t, last, what)
}
