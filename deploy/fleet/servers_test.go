//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cogniverse/cogflow/deploy/fleet/hosttest"
	"github.com/cogniverse/cogflow/deploy/fleet/temporaltest"
	"github.com/cogniverse/cogflow/internal/answer/billtest"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
)

// database is a PostgreSQL server on a host.
type database struct {
	f        *fleet
	host     *hosttest.Host
	programs string
	process  *hosttest.Process
}

const superuser = "postgres"

// startFor is how long a program may take to start, on a machine that does other things as well.
const startFor = 5 * time.Minute

// newDatabase makes the files of a server, which takes passwords only, and starts it.
func newDatabase(f *fleet, name string) *database {
	f.t.Helper()
	programs, err := postgrestest.Programs()
	require.NoError(f.t, err)
	d := &database{f: f, host: f.net.Host(name), programs: programs}
	password := d.host.Write("superuser", f.password(superuser, name))
	made := d.host.Run(hosttest.Command{Path: filepath.Join(programs, "initdb"), Args: []string{
		"-D", "/srv/data", "-U", superuser, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--no-locale",
	}})
	require.Zero(f.t, made.Code, made.Stderr)
	rules, err := os.OpenFile(filepath.Join(d.host.Dir, "data", "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(f.t, err)
	_, err = rules.WriteString("host all all 10.77.0.0/24 scram-sha-256\n")
	require.NoError(f.t, err)
	require.NoError(f.t, rules.Close())
	d.start()
	return d
}

// start starts the server, and returns when it takes connections.
func (d *database) start() {
	d.f.t.Helper()
	d.process = d.host.Start(hosttest.Command{Name: "postgres", Path: filepath.Join(d.programs, "postgres"), Args: []string{
		"-D", "/srv/data", "-k", "/tmp", "-c", "listen_addresses=" + d.host.Address.String(), "-c", "max_connections=200",
	}})
	d.f.eventually(func() bool {
		c, err := d.connect("postgres")
		return err == nil && c.Close(d.f.t.Context()) == nil
	}, d.process)
}

func (d *database) connect(name string) (*pgx.Conn, error) { return d.connectAs(superuser, name) }

func (d *database) connectAs(user, name string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(fmt.Sprintf("postgres://%s:%s@%s:5432/%s?sslmode=disable", user,
		d.f.password(user, d.host.Name), d.host.Address, name))
	if err != nil {
		return nil, err
	}
	c.DialFunc = d.host.Dial
	return pgx.ConnectConfig(d.f.t.Context(), c)
}

// run runs statements as the superuser.
func (d *database) run(name string, statements ...string) {
	d.f.t.Helper()
	c, err := d.connect(name)
	require.NoError(d.f.t, err)
	for _, s := range statements {
		_, err := c.Exec(d.f.t.Context(), s)
		require.NoError(d.f.t, err, s)
	}
	require.NoError(d.f.t, c.Close(d.f.t.Context()))
}

// rows returns the first column of a query of the ledger. It fails while the server is away.
func (d *database) rows(query string, args ...any) ([]string, error) {
	c, err := d.connect("cogflow")
	if err != nil {
		return nil, err
	}
	defer c.Close(d.f.t.Context()) //nolint:errcheck // it only read
	found, err := c.Query(d.f.t.Context(), query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[string])
}

const bucket, library = "cogflow", "videos"

// startStore starts the S3 server, and returns its client.
func (f *fleet) startStore() *s3.Client {
	f.t.Helper()
	h := f.net.Host(store)
	for _, name := range []string{"users", "metadata", "s3", "s3/" + bucket, "s3/" + library} { // a bucket is a directory
		require.NoError(f.t, os.Mkdir(filepath.Join(h.Dir, name), 0o700))
		require.NoError(f.t, os.Chown(filepath.Join(h.Dir, name), h.UID, h.UID))
	}
	h.Write("users/users.json", f.storeUsers())
	p := h.Start(hosttest.Command{
		Name: "s3", Path: "/opt/versitygw", // the policy is too large for an attribute of a file
		Args: []string{"--port", h.Address.String() + ":7070", "--quiet", "--iam-dir", "/srv/users", "posix", "--sidecar", "/srv/metadata", "/srv/s3"},
		Env:  []string{"ROOT_ACCESS_KEY=" + f.keys[storeUser], "ROOT_SECRET_KEY=" + f.keys[storeSecret]},
	})
	f.awaitPort(p, 7070)
	return f.storeClient(f.keys[storeUser], f.keys[storeSecret])
}

func (f *fleet) storeClient(user, secret string) *s3.Client {
	h := f.net.Host(store)
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + h.Address.String() + ":7070"), UsePathStyle: true, Region: "us-east-1",
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: h.Dial}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: user, SecretAccessKey: secret}, nil
		}),
	})
}

// startModels starts the endpoints, each on its own port and with its own key.
func (f *fleet) startModels() *billtest.Server {
	f.t.Helper()
	e := billtest.Start(f.t)
	e.Tokens = map[string]money.Price{
		"bill/vlm": {Input: 0.5, Output: 5.5}, "bill/student": {Input: 1.1, Output: 4.3}, "bill/teacher": {Input: 1.1, Output: 4.3},
	}
	e.Calls = map[string]int64{"bill/texts": 7, "bill/asr": 90}
	e.VLM.Models, e.ASR.Models = []string{"bill/vlm"}, []string{"bill/asr"}
	e.LM.Models, e.LM.Say = []string{"bill/student", "bill/teacher"}, lmtest.Topics("bill/teacher")
	e.Embed.Models = map[string]embedtest.Model{"bill/texts": {Dim: 64}}
	e.Latency = func() time.Duration { return time.Duration(f.latency.Load()) }
	h := f.net.Host(models)
	for port, key := range map[int]string{8001: describeKey, 8002: embedKey, 8003: speechKey, 8004: lmKey} {
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: f.keyed(key, e)}
		listener := h.Listen(port)
		go func() { _ = server.Serve(listener) }()
		f.t.Cleanup(func() { _ = server.Close() })
	}
	return e
}

// keyed lets only requests with a key through.
func (f *fleet) keyed(key string, to http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+f.keys[key] {
			http.Error(w, `{"error":{"message":"invalid key"}}`, http.StatusUnauthorized)
			return
		}
		to.ServeHTTP(w, r)
	})
}

// prepareTemporal makes the databases of the Temporal server, with the tool of the server.
func (f *fleet) prepareTemporal() {
	f.t.Helper()
	f.temporalDB.run("postgres", temporaltest.Databases(f.password("temporal", temporalDB))...)
	for _, args := range temporaltest.Schemas(temporalDB) {
		out := f.net.Host(control).Run(hosttest.Command{Path: "/opt/temporal-server", Env: f.temporalEnv(), Args: args})
		require.Zero(f.t, out.Code, out.Stdout+out.Stderr)
	}
}

func (f *fleet) temporalEnv() []string {
	return temporaltest.Environment(f.net.Host(control).Address.String(), temporalDB, f.password("temporal", temporalDB), "/opt/dynamic.yaml")
}

// launchTemporal starts the Temporal server.
func (f *fleet) launchTemporal() {
	f.t.Helper()
	f.temporal = f.net.Host(control).Start(hosttest.Command{
		Name: "temporal", Path: "/opt/temporal-server", Args: []string{"serve", "/opt"}, Env: f.temporalEnv(),
	})
}

// connectTemporal returns a client, and makes the namespace.
func (f *fleet) connectTemporal() client.Client {
	f.t.Helper()
	h := f.net.Host(control)
	c, err := client.NewLazyClient(client.Options{
		HostPort: "passthrough:///" + h.Address.String() + ":7233", Logger: quiet{},
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return h.Dial(ctx, "tcp", address) }),
		}},
	})
	require.NoError(f.t, err)
	f.t.Cleanup(c.Close)
	f.eventually(func() bool {
		_, err := c.WorkflowService().RegisterNamespace(f.t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: client.DefaultNamespace, WorkflowExecutionRetentionPeriod: durationpb.New(72 * time.Hour),
		})
		_, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err) // a former request was late
		return err == nil || exists
	}, f.temporal)
	return c
}

// quiet drops the log of the SDK.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// awaitPort waits until a server on a host listens.
func (f *fleet) awaitPort(p *hosttest.Process, port int) {
	f.t.Helper()
	f.eventually(func() bool {
		c, err := p.Host.Dial(f.t.Context(), "tcp", fmt.Sprintf("%s:%d", p.Host.Address, port))
		return err == nil && c.Close() == nil
	}, p)
}

// eventually waits for a condition. It fails at once, with the log, if the program ends.
func (f *fleet) eventually(done func() bool, p *hosttest.Process) {
	f.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(startFor)
	for !done() {
		select {
		case <-tick.C:
		case <-p.Done():
			require.Fail(f.t, "the program ended", "%s: %s", p.Log, p.Tail(6000))
		case <-deadline:
			require.Fail(f.t, "it takes too long", "%s: %s", p.Log, p.Tail(6000))
		}
	}
}
