package source

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// FuzzRemote parses URIs: an accepted URI is parsed equally again after formatting, and
// stays below its own root.
func FuzzRemote(f *testing.F) {
	for _, seed := range []string{
		"s3://bucket/a b/c.mp4", "s3://bucket/%25%20ü", "https://example.org/in/v.mp4?x=1", "https://h/%2e%2e/x",
		"https://u:p@h/x", "s3://bucket//x", "http://[::1]:80/x", "s3://", "HTTPS://EXAMPLE.org/A", "https://h/a%2fb",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		at, remote, err := parseRemote("test", uri)
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err))
			return
		}
		if !remote {
			return
		}
		again, remote, err := parseRemote("test", at.uri())
		require.NoError(t, err)
		require.True(t, remote)
		require.Equal(t, at, again)
		require.True(t, location{scheme: at.scheme, host: at.host}.holds(at))
	})
}
