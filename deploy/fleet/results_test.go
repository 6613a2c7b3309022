//go:build linux

package fleet

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// account is where an attempt of a step of an optimization stores which answers it has used, under
// the hash of their names.
var account = regexp.MustCompile(`^(.*/optimize/\w+/answers)/\w+\.json$`)

// checkRuns compares what each job has made with what the same job had made before anything broke,
// byte for byte: that one had no limit, was never interrupted, and ran once.
func (f *fleet) checkRuns() {
	f.t.Helper()
	all := f.objects()
	for _, s := range f.streams {
		expected := f.made(all, tenantOf(s.name, calm))
		require.NotEmpty(f.t, expected)
		documents := f.documentsOf(tenantOf(s.name, calm))
		for _, tenant := range s.ended {
			made := f.made(all, tenant)
			require.Equal(f.t, slices.Sorted(maps.Keys(expected)), slices.Sorted(maps.Keys(made)), tenant)
			for key, content := range expected {
				require.Equal(f.t, content, made[key], "%s: %s", tenant, key)
			}
			require.Equal(f.t, documents, f.documentsOf(tenant), tenant)
		}
		f.t.Logf("%s: %d jobs have made the same %d objects and %d documents", s.name, len(s.ended), len(expected), len(documents))
	}
}

// documentsOf returns the documents of a tenant in the index, with another name in place of the
// tenant's.
func (f *fleet) documentsOf(tenant string) []string {
	f.t.Helper()
	all := f.documents(index, ".cogflow/index.db", tenant)
	for i, d := range all {
		all[i] = strings.ReplaceAll(d, tenant, "tenant")
	}
	return all
}

// made returns the objects of a tenant that do not depend on time, with another name in place of
// the tenant's.
func (f *fleet) made(all map[string][]byte, tenant string) map[string]string {
	f.t.Helper()
	own := map[string][]byte{}
	for key, content := range all {
		if name, ok := strings.CutPrefix(key, tenant+"/"); ok {
			own["tenant/"+name] = bytes.ReplaceAll(content, []byte(tenant), []byte("tenant"))
		}
	}
	return f.merged(lasting(f, own, "calls", "repeated_calls", "cost_usd")) // a fault repeats calls, which cost
}

// merged puts the accounts of an optimization together. Each attempt of a step stores its own, so
// their number depends on interruptions. A report counts their union.
func (f *fleet) merged(objects map[string]string) map[string]string {
	f.t.Helper()
	out, used := map[string]string{}, map[string]map[string]json.RawMessage{}
	for key, content := range objects {
		match := account.FindStringSubmatch(key)
		if match == nil {
			out[key] = content
			continue
		}
		var one map[string]json.RawMessage
		require.NoError(f.t, json.Unmarshal([]byte(content), &one), key)
		if used[match[1]] == nil {
			used[match[1]] = map[string]json.RawMessage{}
		}
		maps.Copy(used[match[1]], one)
	}
	for key, one := range used {
		text, err := json.Marshal(one)
		require.NoError(f.t, err)
		out[key] = string(text)
	}
	return out
}
