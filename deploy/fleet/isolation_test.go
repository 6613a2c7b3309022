//go:build linux

package fleet

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// written are the files that a worker of a pool may leave on its host.
var written = map[string]*regexp.Regexp{
	"index": regexp.MustCompile(`^\.cogflow/index\.db(-wal|-shm)?$`),
	"media": regexp.MustCompile(`^\.cogflow/tmp/`),
	"train": regexp.MustCompile(`^\.cogflow/tmp/`),
}

// secrets returns the names of all keys, by their values.
func (f *fleet) secrets() map[string]string {
	out := map[string]string{
		f.password("temporal", temporalDB): "password of Temporal's database",
		f.password(superuser, temporalDB):  "password of its superuser", f.password(superuser, ledgerDB): "password of the ledger's superuser",
	}
	for name, value := range f.keys {
		out[value] = name
	}
	for _, s := range sites() {
		out[f.password(s.name, ledgerDB)] = ledgerKey + " of " + s.name
		out[f.password(s.name, store)] = storeSecret + " of " + s.name
	}
	return out
}

// checkIsolation checks that each worker has its own keys and no other, that each host has no file
// but those that its pool needs, that no file has a key, and that no host tried to connect to one
// that it does not need.
func (f *fleet) checkIsolation() {
	f.t.Helper()
	secrets := f.secrets()
	for _, s := range sites() {
		if s.pool == "" {
			continue
		}
		held := map[string]bool{}
		for _, value := range f.workers[s.name].Environment() {
			for secret, name := range secrets {
				if strings.Contains(value, secret) {
					variable, _ := strings.CutSuffix(name, " of "+s.name)
					held[variable] = true
				}
			}
		}
		require.ElementsMatch(f.t, s.keys, slices.Collect(maps.Keys(held)), s.name)
		require.NoError(f.t, filepath.WalkDir(f.net.Host(s.name).Dir, func(path string, e fs.DirEntry, err error) error {
			if e != nil && errors.Is(err, fs.ErrNotExist) {
				return nil // the programs run: it is gone meanwhile
			}
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			name, err := filepath.Rel(f.net.Host(s.name).Dir, path)
			require.NoError(f.t, err)
			allowed := written[s.pool]
			require.True(f.t, allowed != nil && allowed.MatchString(name), "%s has the file %s", s.name, name)
			content, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			for secret, key := range secrets {
				require.False(f.t, bytes.Contains(content, []byte(secret)), "%s: %s contains %s", s.name, name, key)
			}
			return err
		}))
	}
	require.Empty(f.t, f.net.Refused(), "a host connects to one that it does not need")
}
