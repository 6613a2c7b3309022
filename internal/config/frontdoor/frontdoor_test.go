package frontdoor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	g := frontdoor.Section{}.Complete()
	require.Equal(t, []frontdoor.Named{{Name: "main", Listener: frontdoor.Listener{Address: "127.0.0.1:8090", Tenant: "default"}}}, g.Listeners)
	require.EqualValues(t, 32<<20, g.MaxBody)
	require.Equal(t, "2m0s", g.Queue.String())
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	one := func(l frontdoor.Listener) frontdoor.Section {
		return frontdoor.Section{Listeners: map[string]frontdoor.Listener{"a": l}}
	}
	for want, s := range map[string]frontdoor.Section{
		"address: not on this host, and its callers need no key":           {Address: "0.0.0.0:8090"},
		"address: not host:port":                                           {Address: "8090"},
		"address: contradicts listeners":                                   {Address: "127.0.0.1:1", Listeners: map[string]frontdoor.Listener{"a": {Address: "127.0.0.1:2"}}},
		"queue_seconds: out of range":                                      {Queue: 0.5},
		"max_body_bytes: out of range":                                     {MaxBody: -1},
		"max_pixels: out of range":                                         {MaxPixels: -1},
		"listeners.a.address: without a host":                              one(frontdoor.Listener{Address: ":80"}),
		"listeners.a.tenant: not a tenant":                                 one(frontdoor.Listener{Address: "127.0.0.1:1", Tenant: "a/b"}),
		"listeners.a.host: not the name of one host":                       one(frontdoor.Listener{Address: "127.0.0.1:1", Host: "*.example.org"}),
		"listeners.a.host: not a host name":                                one(frontdoor.Listener{Address: "127.0.0.1:1", Host: "a:80"}),
		"listeners.a.model: missing, but revision or max_model_len is set": one(frontdoor.Listener{Address: "127.0.0.1:1", Revision: "r"}),
		"listeners.a.max_model_len: this or revision is out of range":      one(frontdoor.Listener{Address: "127.0.0.1:1", Model: "m", MaxModelLen: -1}),
		"listeners.a.cert_file: this or key_file is missing":               one(frontdoor.Listener{Address: "127.0.0.1:1", Cert: "a.pem"}),
		"listeners.b.host: the address and the host of the listener a": {Listeners: map[string]frontdoor.Listener{
			"a": {Address: "127.0.0.1:1", Host: "X"}, "b": {Address: "127.0.0.1:1", Host: "x"},
		}},
	} {
		var got []string
		s.Check(func(key, text, _ string) { got = append(got, key+": "+text) })
		require.Equal(t, []string{want}, got)
	}
}

// TestSameAddress: two listeners of one socket, in two spellings, are named before the gateway starts.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	for pair, same := range map[[2]string]bool{
		{"localhost:81", "127.0.0.1:81"}: true, {"LOCALHOST:81", "localhost:81"}: true, {"[::1]:81", "[0:0:0:0:0:0:0:1]:81"}: true, {"0.0.0.0:81", "127.0.0.1:81"}: true,
		{"[::ffff:127.0.0.1]:81", "127.0.0.1:81"}: true, {"localhost:81", "localhost:82"}: false, {"127.0.0.1:81", "127.0.0.2:81"}: false, {"127.0.0.1:81", "[::1]:81"}: false,
		{"localhost:0", "127.0.0.1:0"}: false, {"a.example.org:81", "b.example.org:81"}: false, {"A.example.org:81", "a.example.org:81"}: true,
	} {
		var got []string
		frontdoor.Section{Listeners: map[string]frontdoor.Listener{"a": {Address: pair[0], Tenant: "acme"}, "b": {Address: pair[1], Tenant: "acme"}}}.Check(func(key, text, _ string) { got = append(got, key+": "+text) })
		want := []string(nil)
		if same {
			want = []string{"listeners.b.address: the address of the listener a in another spelling"}
		}
		require.Equal(t, want, got, "%v", pair)
	}
}
