package s3_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]s3.Place{
		"s3://bucket":            {Bucket: "bucket"},
		"s3://bucket/":           {Bucket: "bucket"},
		"s3://my.bucket/a%20b/c": {Bucket: "my.bucket", Prefix: "a b/c"},
		"s3://bucket/p?region=eu-central-1&endpoint=http%3A%2F%2Flocalhost:9000/&path_style=true": {
			Bucket: "bucket", Prefix: "p", Region: "eu-central-1", Endpoint: "http://localhost:9000", PathStyle: true,
		},
	} {
		got, err := s3.Parse(url)
		require.NoError(t, err, url)
		require.Equal(t, want, got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://bucket/x":                             "must be s3://",
		"s3:///x":                                      "bucket",
		"s3://Bucket/x":                                "bucket",
		"s3://evil.example:80/x":                       "bucket",
		"s3://key:canary@bucket/x":                     "AWS_ACCESS_KEY_ID",
		"s3://key:canary@bucket/%zz":                   "%XX",
		"s3://bucket/x?secret_access_key=canary":       "unknown parameter",
		"s3://bucket/x?canary":                         "unknown parameter",
		"s3://bucket/x#canary":                         "%23",
		"s3://bucket/x?region=a&region=b":              "one value",
		"s3://bucket/x?region=":                        "one value",
		"s3://bucket/x?path_style=canary":              "true or false",
		"s3://bucket/x?endpoint=localhost:9000":        "http://host:port",
		"s3://bucket/x?endpoint=ftp://host":            "http://host:port",
		"s3://bucket/x?endpoint=http://a:canary@host":  "http://host:port",
		"s3://bucket/x?endpoint=http://host/x":         "http://host:port",
		"s3://bucket/x?endpoint=http://host%3fcanary=": "http://host:port",
		"s3://bucket/a%00b":                            "NUL",
	} {
		_, err := s3.Parse(url)
		require.Equal(t, fault.Input, fault.ClassOf(err), url)
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "canary")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s3://bucket/prefix?region=x")
	f.Fuzz(func(t *testing.T, url string) {
		p, err := s3.Parse(url)
		require.Equal(t, err != nil, fault.ClassOf(err) == fault.Input)
		require.False(t, strings.ContainsAny(p.Bucket, "/@:? "))
	})
}

// isolate hides the AWS configuration of the machine.
func isolate(t *testing.T, key string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": key, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
}

func TestClientWithoutCredentials(t *testing.T) {
	isolate(t, "")
	_, err := s3.Place{Bucket: "bucket", Region: "eu-central-1"}.Client(t.Context())
	require.Equal(t, fault.Auth, fault.ClassOf(err), "%v", err)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		require.ErrorContains(t, err, name)
	}
	isolate(t, "x")
	_, err = s3.Place{Bucket: "bucket"}.Client(t.Context())
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "AWS_REGION")
}

// TestFault requests an object from a server that responds with each kind of error.
func TestFault(t *testing.T) { //nolint:tparallel // it sets the environment
	isolate(t, "canary")
	for name, c := range map[string]struct {
		status int
		code   string
		class  fault.Class
		text   string
	}{
		"slow down":     {503, "SlowDown", fault.Overload, "slow down"},
		"unavailable":   {503, "", fault.Overload, "slow down"},
		"too many":      {429, "TooManyRequests", fault.Overload, "slow down"},
		"internal":      {500, "InternalError", fault.Transport, "InternalError"},
		"gateway":       {502, "", fault.Transport, "502"},
		"denied":        {403, "AccessDenied", fault.Auth, "AWS_SECRET_ACCESS_KEY"},
		"unknown key":   {403, "InvalidAccessKeyId", fault.Auth, "AWS_ACCESS_KEY_ID"},
		"bad signature": {403, "SignatureDoesNotMatch", fault.Auth, "AWS_PROFILE"},
		"expired":       {400, "ExpiredToken", fault.Auth, "AWS_PROFILE"},
		"clock":         {403, "RequestTimeTooSkewed", fault.Auth, "clock"},
		"no bucket":     {404, "NoSuchBucket", fault.Input, "bucket not found"},
		"other region":  {301, "PermanentRedirect", fault.Input, "region="},
		"full":          {507, "", fault.Capacity, "quota"},
		"quota":         {403, "QuotaExceeded", fault.Capacity, "quota"},
		"bad request":   {400, "InvalidArgument", fault.Input, "InvalidArgument"},
		"lost part":     {400, "InvalidPart", fault.Transport, "InvalidPart"},
		"nonsense":      {200, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				if c.code != "" {
					_, _ = w.Write([]byte("<Error><Code>" + c.code + "</Code><Message>m</Message></Error>"))
				}
			}))
			defer server.Close()
			err := get(t.Context(), t, server.URL)
			if c.class == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "s3://bucket/key")
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, 7*time.Second, fault.RetryAfter(err))
		})
	}
}

func get(ctx context.Context, t *testing.T, endpoint string) error {
	t.Helper()
	client, err := s3.Place{Bucket: "bucket", Endpoint: endpoint, PathStyle: true}.Client(t.Context())
	require.NoError(t, err)
	out, err := client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")},
		func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	if err == nil {
		err = out.Body.Close()
	}
	return s3.Fault(ctx, "read", "s3://bucket/key", err)
}

func TestFaultWithoutResponse(t *testing.T) {
	isolate(t, "x")
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	require.Equal(t, fault.Transport, fault.ClassOf(get(t.Context(), t, server.URL)))
	server.Close()
	require.Equal(t, fault.Transport, fault.ClassOf(get(t.Context(), t, server.URL)))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err := get(ctx, t, server.URL)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, fault.ClassOf(err))

	require.NoError(t, s3.Fault(t.Context(), "read", "x", nil))
	known := fault.New(fault.Budget, "op", "", "")
	require.Equal(t, error(known), s3.Fault(t.Context(), "read", "x", errors.Join(known)))
}
