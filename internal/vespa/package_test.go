package vespa_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

var update = flag.Bool("update", false, "rewrite testdata/package")

func profiles() []video.Profile {
	return []video.Profile{
		{Name: "video_colpali_smol500_mv_frame", Embed: video.Stage{Model: "colsmol", Multi: true, Dim: 128, Keep: video.KeepBFloat16}},
		{Name: "patches_bits", Embed: video.Stage{Model: "colqwen", Multi: true, Dim: 320, Keep: video.KeepBits}},
		{Name: "video_videoprism_lvt_base_sv_chunk_6s", Embed: video.Stage{Model: "videoprism", Dim: 768}},
		{Name: "odd", Embed: video.Stage{Model: "odd", Dim: 100}},
	}
}

func TestPackage(t *testing.T) {
	t.Parallel()
	files, err := vespa.Package([]tenant.ID{"acme", "acme:eu"}, profiles(), vespa.PackageOptions{})
	require.NoError(t, err)
	for _, f := range files {
		path := filepath.Join("testdata", "package", f.Path)
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, f.Data, 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(f.Data), f.Path)
	}
	again, err := vespa.Package([]tenant.ID{"acme", "acme:eu"}, profiles(), vespa.PackageOptions{})
	require.NoError(t, err)
	require.Equal(t, files, again)
}

func TestPackageHosts(t *testing.T) {
	t.Parallel()
	files, err := vespa.Package([]tenant.ID{"acme"}, profiles()[:1], vespa.PackageOptions{
		Hosts: []string{"a.example", "b.example"}, Redundancy: 2, Allow: []string{"field-type-change"}, AllowUntil: "2030-01-01",
	})
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		all.Write(f.Data)
	}
	for _, part := range []string{
		`<host name="b.example">`, `hostalias="node1" distribution-key="1"`, `<min-redundancy>2</min-redundancy>`,
		`<allow until="2030-01-01">field-type-change</allow>`,
	} {
		require.Contains(t, all.String(), part)
	}
}

func TestPackageRefuses(t *testing.T) {
	t.Parallel()
	one := func(name string) []video.Profile {
		return []video.Profile{{Name: name, Embed: video.Stage{Dim: 8}}}
	}
	for name, try := range map[string]struct {
		tenants  []tenant.ID
		profiles []video.Profile
	}{
		"shared by tenants":  {[]tenant.ID{"eu", "acme:eu"}, append(one("frames_acme"), one("frames")...)},
		"shared by profiles": {[]tenant.ID{"acme"}, append(one("a-b"), one("a_b")...)},
		"of generations":     {[]tenant.ID{"acme"}, one("generation")},
		"digit":              {[]tenant.ID{"acme"}, one("360p")},
		"bad tenant":         {[]tenant.ID{"a/b"}, one("frames")},
		"no tenant":          {nil, one("frames")},
		"no profile":         {[]tenant.ID{"acme"}, nil},
		"no dim":             {[]tenant.ID{"acme"}, []video.Profile{{Name: "frames"}}},
	} {
		_, err := vespa.Package(try.tenants, try.profiles, vespa.PackageOptions{})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
}

func TestSchemaName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "video_colpali_acme", vespa.SchemaName("video_colpali", "acme"))
	require.Equal(t, "frames_acme_production", vespa.SchemaName("frames", "acme:production"))
	names := map[string]bool{}
	for _, id := range []tenant.ID{"acme:eu", "acme_eu", "acme-eu", "acme_e:u", "acme:e_u"} {
		names[vespa.SchemaName("frames", id)] = true
	}
	require.Len(t, names, 5)
}
