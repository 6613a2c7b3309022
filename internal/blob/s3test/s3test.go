// Package s3test starts a real S3 server, versitygw over a temporary directory.
package s3test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/porttest"
)

const (
	bucket = "cogflow-test"
	access = "cogflowtest"
	secret = "cogflowtestsecret"
)

// Start returns the URL of an empty bucket, and the environment variables that
// a client needs to reach it. The server ends with the test.
func Start(tb testing.TB) (url string, env []string) {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(filepath.Dir(here), "..", "..", "..", "bin", "versitygw")
	_, err := os.Stat(program)
	require.NoError(tb, err, "run make tools")
	dir := tb.TempDir()
	require.NoError(tb, os.Mkdir(filepath.Join(dir, bucket), 0o700)) // a bucket is a directory
	address := "127.0.0.1:" + porttest.Free(tb)
	server := exec.Command(program, "--port", address, "--quiet", "posix", dir) //nolint:noctx // it outlives the test's context, for Cleanup
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+access, "ROOT_SECRET_KEY="+secret)
	require.NoError(tb, server.Start())
	tb.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // killed: the status says nothing
	})
	require.Eventually(tb, func() bool {
		c, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, time.Minute, 20*time.Millisecond, "versitygw does not listen on %s", address)
	return "s3://" + bucket + "?region=us-east-1&path_style=true&endpoint=http%3A%2F%2F" + address,
		[]string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret}
}

// Serve is Start for a test whose own process is the client: it sets the
// environment, and keeps configuration files and the services of a cloud out.
func Serve(t *testing.T) (url string) {
	t.Helper()
	url, env := Start(t)
	for _, variable := range append(env, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	return url
}
