//go:build linux

package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	ourS3 "github.com/cogniverse/cogflow/internal/s3"
)

// storeUserOf is the user of a host in the store, which is no secret.
func storeUserOf(host string) string { return "host-" + host }

// storeUsers is the file of the S3 server with a user for each host that has a key.
func (f *fleet) storeUsers() string {
	f.t.Helper()
	users := map[string]any{}
	for _, s := range sites() {
		if s.pool != "" || s.name == single {
			users[storeUserOf(s.name)] = map[string]any{"access": storeUserOf(s.name), "secret": f.password(s.name, store), "role": "user"}
		}
	}
	text, err := json.Marshal(map[string]any{"accessAccounts": users})
	require.NoError(f.t, err)
	return string(text)
}

// folders are what a pool reads and writes in the folder of each tenant.
type folders struct{ read, write []string }

// foldersOf lists them. The pools cogflow and media read all results, for plans and reports.
func foldersOf(pool string) folders {
	learned := []string{"limits", "parameters"} // of model servers
	return map[string]folders{
		"cogflow":    {write: []string{"*"}},
		"media":      {read: []string{"*"}, write: []string{"videos", "sources", "listings", "datasets", "training", "optimize", "reports"}},
		"describe":   {read: []string{"recipes", "examples"}, write: append(learned, "videos", "captions", "refusals")},
		"transcribe": {read: []string{"recipes"}, write: append(learned, "videos", "transcripts", "refusals")},
		"embed":      {read: []string{"recipes", "captions", "transcripts"}, write: append(learned, "videos", "embeddings", "refusals", "roles")},
		"index":      {read: []string{"recipes", "captions", "transcripts", "embeddings", "refusals", "roles"}, write: []string{"videos"}},
		"lm":         {read: []string{"datasets"}, write: append(learned, "optimize", "lm")},
		"train":      {read: []string{"adapters"}, write: []string{"datasets", "training"}},
	}[pool]
}

// mayRead reports whether a pool may read an object, and list the objects of its folder.
func (o folders) mayRead(key string) bool { return o.mayWrite(key) || has(o.read, key) }

// mayWrite reports whether a pool may write and delete an object.
func (o folders) mayWrite(key string) bool {
	return has(o.write, key) || has([]string{"health"}, key) || strings.HasPrefix(key, ".tmp/")
}

// has reports whether the folder of an object is one of some folders.
func has(folders []string, key string) bool {
	parts := strings.SplitN(key, "/", 3)
	return slices.Contains(folders, "*") || len(parts) > 1 && slices.Contains(folders, parts[1])
}

// grant gives each host the rights that its pool needs. A user of the S3 server has none by itself.
func (f *fleet) grant() {
	f.t.Helper()
	var all, sources []statement
	for _, s := range sites() {
		if s.pool == "media" || s.name == single {
			user := storeUserOf(s.name)
			sources = append(sources, statement{user: user, actions: []string{"s3:ListBucket"}, paths: []string{""}},
				statement{user: user, actions: []string{"s3:GetObject"}, paths: []string{"/*"}})
		}
		if s.pool == "" {
			continue
		}
		own, user := foldersOf(s.pool), storeUserOf(s.name)
		write := objects(own.write, "/.tmp/*", "/*/health/*")
		names := append(objects(own.read), write...)
		if slices.Contains(append(own.read, own.write...), "*") {
			names = nil // all
		}
		all = append(all,
			statement{user: user, actions: []string{"s3:ListBucket"}, paths: []string{""}, prefixes: names},
			statement{user: user, actions: []string{"s3:ListBucketMultipartUploads"}, paths: []string{""}},
			statement{user: user, actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}, paths: write},
		)
		if len(own.read) > 0 {
			all = append(all, statement{user: user, actions: []string{"s3:GetObject"}, paths: objects(own.read)})
		}
	}
	for name, statements := range map[string][]statement{bucket: all, library: sources} {
		_, err := f.store.PutBucketPolicy(f.t.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: aws.String(policy(f, name, statements))})
		require.NoError(f.t, err)
	}
}

func objects(folders []string, others ...string) (paths []string) {
	for _, folder := range folders {
		paths = append(paths, "/*/"+folder+"/*")
	}
	return append(paths, others...)
}

// ledgerRights are the statements that give workers what they need of the ledger.
func ledgerRights() []string {
	return []string{
		"GRANT USAGE ON SCHEMA cogflow TO cogflow_worker",
		"GRANT SELECT ON ALL TABLES IN SCHEMA cogflow TO cogflow_worker",
		"GRANT INSERT, UPDATE ON cogflow.call, cogflow.process, cogflow.spend, cogflow.spend_workflow, cogflow.spend_period, " +
			"cogflow.alert, cogflow.budget_check TO cogflow_worker",
		"GRANT DELETE ON cogflow.process, cogflow.alert TO cogflow_worker",
		"GRANT INSERT ON cogflow.outage TO cogflow_worker",
	}
}

// checkRights checks, with the keys of each host, that it reads the objects that its pool needs and
// no other, and that it can neither change the ledger's tables, nor delete entries, nor set budgets.
func (f *fleet) checkRights() {
	f.t.Helper()
	all := f.objects()
	checked := map[bool]int{}
	for _, s := range sites() {
		if s.pool == "" {
			continue
		}
		client := f.storeClient(storeUserOf(s.name), f.password(s.name, store))
		seen := map[string]bool{}
		for key := range all {
			parts := strings.Split(key, "/")
			if folder := strings.Join(parts[:min(2, len(parts)-1)], "/") + "/"; !seen[folder] {
				seen[folder] = true
				checked[foldersOf(s.pool).mayRead(key)]++
				f.checkFolder(s, client, folder, key)
			}
		}
		if slices.Contains(s.keys, ledgerKey) && s.name != control {
			f.checkLedgerRights(s.name)
		}
	}
	f.logf("rights: of the hosts' keys, %d may read a folder and %d may not", checked[true], checked[false])
}

// checkFolder tries to read an object, to list its folder, and to delete an object there that does not exist.
func (f *fleet) checkFolder(s site, client *s3.Client, folder, key string) {
	f.t.Helper()
	bucket, none := aws.String(bucket), folder+"none"
	_, read := client.HeadObject(f.t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: &key})
	_, listed := client.ListObjectsV2(f.t.Context(), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: &folder})
	_, deleted := client.DeleteObject(f.t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: &none})
	may := foldersOf(s.pool)
	for what, try := range map[string]struct {
		may bool
		err error
	}{
		"reads": {may.mayRead(key), read}, "lists": {may.mayRead(key), listed}, "deletes": {may.mayWrite(key), deleted},
	} {
		if try.may {
			require.NoError(f.t, try.err, "%s %s %s", s.name, what, key)
		} else {
			require.Equal(f.t, http.StatusForbidden, ourS3.Status(try.err), "%s %s %s", s.name, what, key)
		}
	}
}

func (f *fleet) checkLedgerRights(host string) {
	f.t.Helper()
	c, err := f.ledgerDB.connectAs(host, "cogflow")
	require.NoError(f.t, err)
	defer c.Close(f.t.Context()) //nolint:errcheck // it changed nothing
	_, err = c.Exec(f.t.Context(), "SELECT count(*) FROM cogflow.call")
	require.NoError(f.t, err)
	for _, refused := range []string{
		"DELETE FROM cogflow.call", "DELETE FROM cogflow.spend", "UPDATE cogflow.budget SET amount=0", "DELETE FROM cogflow.budget",
		"ALTER TABLE cogflow.call ADD COLUMN more text", "CREATE TABLE cogflow.other ()", "UPDATE cogflow.migration SET oldest=9",
	} {
		_, err := c.Exec(f.t.Context(), refused)
		var denied *pgconn.PgError
		require.ErrorAs(f.t, err, &denied, "%s: %s", host, refused)
		const insufficientPrivilege = "42501"
		require.Equal(f.t, insufficientPrivilege, denied.Code, "%s: %s: %s", host, refused, denied.Message)
	}
}

// statement allows a user actions on paths of a bucket; empty = the bucket. Prefixes limit what it lists.
type statement struct {
	user                     string
	actions, paths, prefixes []string
}

func policy(f *fleet, bucket string, all []statement) string {
	f.t.Helper()
	var out []map[string]any
	for _, s := range all {
		var resources []string
		for _, path := range s.paths {
			resources = append(resources, fmt.Sprintf("arn:aws:s3:::%s%s", bucket, path))
		}
		one := map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": []string{s.user}}, "Action": s.actions, "Resource": resources}
		if len(s.prefixes) > 0 {
			var patterns []string
			for _, path := range s.prefixes {
				patterns = append(patterns, strings.TrimPrefix(path, "/"))
			}
			one["Condition"] = map[string]any{"StringLike": map[string]any{"s3:prefix": patterns}}
		}
		out = append(out, one)
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": out})
	require.NoError(f.t, err)
	return string(text)
}
