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
	return map[string]folders{
		"cogflow":    {write: []string{"*"}},
		"media":      {write: []string{"*"}},
		"describe":   {read: []string{"recipes", "examples"}, write: []string{"videos", "captions", "refusals"}},
		"transcribe": {read: []string{"recipes"}, write: []string{"videos", "transcripts", "refusals"}},
		"embed":      {read: []string{"recipes", "captions", "transcripts"}, write: []string{"videos", "embeddings", "refusals", "roles"}},
		"index":      {read: []string{"recipes", "captions", "transcripts", "embeddings", "refusals", "roles"}, write: []string{"videos"}},
		"lm":         {read: []string{"datasets"}, write: []string{"optimize", "lm"}},
		"train":      {read: []string{"adapters"}, write: []string{"datasets", "training"}},
	}[pool]
}

// may reports whether a pool may read an object.
func (o folders) may(key string) bool {
	_, path, _ := strings.Cut(key, "/")
	folder, _, _ := strings.Cut(path, "/")
	return slices.Contains(o.write, "*") || slices.Contains(o.write, folder) || slices.Contains(o.read, folder) ||
		folder == "health" || strings.HasPrefix(key, ".tmp/")
}

// grant gives each host the rights that its pool needs. A user of the S3 server has none by itself.
func (f *fleet) grant() {
	f.t.Helper()
	var all, sources []statement
	for _, s := range sites() {
		if s.pool == "media" || s.name == single {
			sources = append(sources, statement{storeUserOf(s.name), []string{"s3:ListBucket"}, []string{""}}, statement{storeUserOf(s.name), []string{"s3:GetObject"}, []string{"/*"}})
		}
		if s.pool == "" {
			continue
		}
		own := foldersOf(s.pool)
		all = append(all,
			// Without ListBucket, S3 answers 403 for an object that does not exist.
			statement{storeUserOf(s.name), []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}, []string{""}},
			statement{storeUserOf(s.name), []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}, objects(own.write, "/.tmp/*", "/*/health/*")},
		)
		if len(own.read) > 0 {
			all = append(all, statement{storeUserOf(s.name), []string{"s3:GetObject"}, objects(own.read)})
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
		folders := map[string]bool{}
		for key := range all {
			parts := strings.Split(key, "/")
			if name := strings.Join(parts[:min(2, len(parts)-1)], "/"); !folders[name] { // one of each folder
				folders[name] = true
				_, err := client.HeadObject(f.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key})
				may := foldersOf(s.pool).may(key)
				checked[may]++
				if may {
					require.NoError(f.t, err, "%s reads %s", s.name, key)
				} else {
					require.Equal(f.t, http.StatusForbidden, ourS3.Status(err), "%s reads %s", s.name, key)
				}
			}
		}
		if slices.Contains(s.keys, ledgerKey) && s.name != control {
			f.checkLedgerRights(s.name)
		}
	}
	f.logf("rights: of the hosts' keys, %d may read a folder and %d may not", checked[true], checked[false])
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

// statement allows a user actions on paths of a bucket; empty = the bucket.
type statement struct {
	user           string
	actions, paths []string
}

func policy(f *fleet, bucket string, all []statement) string {
	f.t.Helper()
	var out []map[string]any
	for _, s := range all {
		var resources []string
		for _, path := range s.paths {
			resources = append(resources, fmt.Sprintf("arn:aws:s3:::%s%s", bucket, path))
		}
		out = append(out, map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": []string{s.user}}, "Action": s.actions, "Resource": resources})
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": out})
	require.NoError(f.t, err)
	return string(text)
}
