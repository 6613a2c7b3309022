package logs_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/loki/lokitest"
	"github.com/cogniverse/cogflow/internal/traces"
)

// TestCollected: the lines of a job that has ended are found where a collector put those of all
// hosts, in files or in Loki, by its workflow id or its trace. What is on this host is not read.
func TestCollected(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	serve(t, b)
	run := start(t, b, id, "TrainSFT", "job1")
	trace := traces.Of("default", id, run, b.Begun(id, run))
	require.Len(t, trace, 32)
	at := time.Now().UTC()
	written := func(after time.Duration, host, about string) string {
		return fmt.Sprintf(`{"level":"warn","ts":%q,"msg":"of %s","WorkflowID":%q,"RunID":%q,"trace_id":%q,"span_id":"00f067aa0ba902b7"}`,
			at.Add(after).Format("2006-01-02T15:04:05.000Z0700"), host, about, run, trace)
	}
	wrapped := func(field, text string) string {
		line, err := json.Marshal(map[string]string{field: text + "\n", "host": "a", "time": at.Format(time.RFC3339Nano)})
		require.NoError(t, err)
		return string(line)
	}
	other := fmt.Sprintf(`{"time":%q,"level":"INFO","message":"a gateway","trace_id":%q}`, at.Add(4*time.Second).Format(time.RFC3339Nano), trace)
	lines := []string{
		written(0, "host a", id), wrapped("log", written(time.Second, "host b", id+"/0")), wrapped("message", written(2*time.Second, "host c", id)),
		at.Format(time.RFC3339Nano) + " stderr F " + written(3*time.Second, "host d", id), other,
		strings.Replace(other, trace, strings.Repeat("0", 32), 1), written(0, "another job", id+"-2"), "no JSON about " + id,
	}
	want := []string{"of host a", "of host b", "of host c", "of host d", "a gateway"}

	dir := filepath.Join(b.Dir, "collected", "hosts")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for i, line := range lines {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i, ".json")))
		require.NoError(t, err)
		if i == 0 {
			require.NoError(t, f.Close())
			f, err = os.Create(filepath.Join(dir, "0.json.gz"))
			require.NoError(t, err)
			zip := gzip.NewWriter(f)
			_, err = fmt.Fprintln(zip, line)
			require.NoError(t, err)
			require.NoError(t, zip.Close())
		} else {
			_, err = fmt.Fprintln(f, line)
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
	}
	local := filepath.Join(b.Dir, "logs")
	require.NoError(t, os.Mkdir(local, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(local, "worker1.log"), []byte(written(0, "this host", id)+"\n"), 0o600))
	server := lokitest.Start(t)
	server.Tenant, server.Token = "acme", "s3cret"
	for i, line := range lines {
		server.Push(at.Add(time.Duration(i)*time.Millisecond), map[string]string{"service_name": "cogflow-worker", "host": fmt.Sprint(i)}, line)
	}
	loki := map[string]string{"LOKI_ADDR": server.URL, "LOKI_BEARER_TOKEN": "s3cret", "LOKI_ORG_ID": "acme"}

	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		want []string
	}{
		"a folder":        {map[string]string{"COGFLOW_COLLECTED_LOGS": filepath.Dir(dir)}, nil, want},
		"a pattern":       {map[string]string{"COGFLOW_COLLECTED_LOGS": filepath.Join(dir, "[12].json")}, nil, want[1:3]},
		"a run":           {map[string]string{"COGFLOW_COLLECTED_LOGS": dir}, []string{"--run", run}, []string{want[0], want[2], want[3], want[4]}},
		"Loki":            {loki, nil, want},
		"Loki's selector": {with(loki, "COGFLOW_LOKI_SELECTOR", `{service_name=~"cog.*",host=~"[23]"}`), nil, want[2:4]},
		"this host":       {nil, nil, []string{"of this host"}},
	} {
		one := *b
		one.Env = with(c.env, "COGFLOW_LOGS", local)
		code, out, errors := one.Run(append([]string{"logs", id, "--json"}, c.args...)...)
		require.Equal(t, cli.ExitDone, code, "%s: %s", name, errors)
		r := clitest.Decode[struct {
			Lines []struct {
				Message string
				TraceID string `json:"trace_id"`
			}
		}](t, out)
		var got []string
		for _, l := range r.Lines {
			got = append(got, l.Message)
			require.Equal(t, trace, l.TraceID)
		}
		require.Equal(t, c.want, got, name)
	}
	for _, query := range server.Queries() {
		require.Contains(t, query, trace)
	}

	one := *b
	one.Env = map[string]string{"COGFLOW_COLLECTED_LOGS": filepath.Join(dir, "none*")}
	code, _, errors := one.Run("logs", id)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errors, "no file matches")
	one.Env = map[string]string{"LOKI_ADDR": server.URL}
	code, _, errors = one.Run("logs", id)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errors, "status 401")
	one.Env = with(loki, "LOKI_ADDR", server.URL)
	code, out, errors := one.Run("logs", id, "--wide", "--level", "warn")
	require.Equal(t, cli.ExitDone, code, errors)
	require.Contains(t, out, "of host a  trace_id="+trace+"  span_id=00f067aa0ba902b7")
	require.NotContains(t, out, "a gateway", "its level is info")
}

func with(env map[string]string, name, value string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, env)
	out[name] = value
	return out
}
