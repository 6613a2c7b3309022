//go:build linux

package fleet

import (
	"strings"

	"github.com/cogniverse/cogflow/deploy/fleet/hosttest"
)

// startSingle starts everything on one host, as `make up` does: a Temporal development server, a
// worker of all pools, files for store, ledger and index.
func (f *fleet) startSingle() {
	f.t.Helper()
	p := f.net.Host(single).Start(hosttest.Command{
		Name: "worker", Path: "/opt/cogflow-worker", Args: []string{"--dev", "--gpu", "none"}, Env: f.singleEnv(),
	})
	f.workers[single] = p
	f.eventually(func() bool { return strings.Contains(p.Tail(1<<20), `"msg":"ready"`) }, p)
}

func (f *fleet) singleEnv() []string {
	env := []string{
		"COGNIVERSE_CONFIG=/opt/config.json", "COGFLOW_STORE=file:///srv/store", "COGFLOW_LEDGER=/srv/ledger.db",
		"COGFLOW_INDEX=/srv/index.db", "COGFLOW_SCRATCH=/srv/scratch", storeUser + "=" + storeUserOf(single),
	}
	for _, key := range []string{storeSecret, describeKey, embedKey, speechKey, lmKey} {
		env = append(env, key+"="+f.keyOf(single, key))
	}
	return env
}
