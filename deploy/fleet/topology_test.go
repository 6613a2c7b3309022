//go:build linux

// Package fleet runs cogflow on hosts that share no disk, no user and no key: one pool on each
// host. `make fleet` runs it.
package fleet

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The names of hosts. Servers have no part of cogflow.
const (
	temporalDB = "temporal-db" // PostgreSQL of the Temporal server
	ledgerDB   = "ledger-db"   // PostgreSQL of the ledger
	store      = "store"       // S3
	models     = "models"      // endpoints of models, which send a bill
	control    = "control"     // the Temporal server, the pool of workflows, the command line
	media      = "media"
	describe   = "describe"
	embed      = "embed"
	transcribe = "transcribe"
	lm         = "lm"
	index      = "index"
	trainA     = "train-a"
	trainB     = "train-b"
	single     = "single" // everything on one host, for comparison
)

// site is what a host is for. It can connect only to the hosts that it lists, it gets only the keys
// and the files that it lists, and the test checks that this is enough.
type site struct {
	name    string
	pool    string // served by its worker; empty = it has no worker
	reaches []string
	keys    []string // variables of the worker's environment
	needs   []string // names of files
}

// Keys, by the variable in which a worker has them.
const (
	storeUser   = "AWS_ACCESS_KEY_ID" // no secret
	storeSecret = "AWS_SECRET_ACCESS_KEY"
	ledgerKey   = "PGPASSWORD"
	describeKey = "DESCRIBE_KEY"
	embedKey    = "EMBED_KEY"
	speechKey   = "SPEECH_KEY"
	lmKey       = "LM_KEY"
)

// sites lists all hosts, servers first.
func sites() []site {
	s3, paid := []string{storeSecret}, []string{storeSecret, ledgerKey}
	worker, trainer := []string{"cogflow-worker", "config.json"}, []string{"cogflow-worker", "config.json", "trainer", "models"}
	return []site{
		{name: temporalDB},
		{name: ledgerDB},
		{name: store, needs: []string{"versitygw"}},
		{name: models},
		{
			name: control, pool: "cogflow", reaches: []string{temporalDB, ledgerDB, store}, keys: paid,
			needs: append([]string{"cogflow", "temporal-server", "base.yaml", "dynamic.yaml", "models", "jobs"}, worker...),
		},
		{name: media, pool: "media", reaches: []string{control, ledgerDB, store}, keys: paid, needs: worker},
		{name: describe, pool: "describe", reaches: []string{control, ledgerDB, store, models}, keys: append(paid, describeKey), needs: worker},
		{name: embed, pool: "embed", reaches: []string{control, ledgerDB, store, models}, keys: append(paid, embedKey), needs: worker},
		{name: transcribe, pool: "transcribe", reaches: []string{control, ledgerDB, store, models}, keys: append(paid, speechKey), needs: worker},
		{name: lm, pool: "lm", reaches: []string{control, ledgerDB, store, models}, keys: append(paid, lmKey), needs: worker},
		{name: index, pool: "index", reaches: []string{control, store}, keys: s3, needs: worker},
		{name: trainA, pool: "train", reaches: []string{control, ledgerDB, store}, keys: paid, needs: trainer},
		{name: trainB, pool: "train", reaches: []string{control, ledgerDB, store}, keys: paid, needs: trainer},
		{name: single, reaches: []string{store, models}, needs: append([]string{"cogflow", "temporal", "jobs"}, trainer...)},
	}
}

// configuration is the configuration of all workers. Each tenant that ingests has a source.
func configuration(t *testing.T) []byte {
	t.Helper()
	const jobs = 200 // more than a test starts
	sources := map[string][]string{"default": {"s3://" + library}, tenantOf("ingest", calm): {"s3://" + library}}
	for i := range jobs {
		sources[tenantOf("ingest", i)] = sources["default"]
	}
	text, err := json.Marshal(sources)
	require.NoError(t, err)
	return []byte(strings.Replace(config, "SOURCES", string(text), 1))
}

// config has no key: it names the variables.
const config = `{"cogflow": {
	"store": "s3://cogflow?region=us-east-1&path_style=true&endpoint=http%3A%2F%2Fstore%3A7070",
	"active_profile": "fleet",
	"sources": SOURCES,
	"fetch": {"s3": "region=us-east-1&path_style=true&endpoint=http%3A%2F%2Fstore%3A7070"},
	"endpoints": {
		"captions": {"kind": "openai", "url": "http://models:8001/v1", "models": ["bill/vlm"], "api_key_env": "DESCRIBE_KEY", "max_in_flight": 4,
			"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 5.5},
		"texts": {"kind": "embeddings", "url": "http://models:8002/v1", "models": ["bill/texts"], "api_key_env": "EMBED_KEY", "max_in_flight": 4},
		"speech": {"kind": "transcriptions", "url": "http://models:8003/v1", "models": ["bill/asr"], "api_key_env": "SPEECH_KEY", "max_in_flight": 2},
		"lms": {"kind": "openai", "url": "http://models:8004/v1", "models": ["bill/student", "bill/teacher"], "api_key_env": "LM_KEY", "max_in_flight": 8,
			"input_usd_per_mtok": 1.1, "output_usd_per_mtok": 4.3}
	},
	"optimize": {"student": {"model": "bill/student", "max_tokens": 200}, "teacher": {"model": "bill/teacher", "max_tokens": 300}},
	"training": {"models_dir": "/opt/models", "trainer_dir": "/opt/trainer"},
	"profiles": {"fleet": {"sampling": {"strategy": "fps", "fps": 1}, "chunk_frames": 4,
		"describe": {"model": "bill/vlm", "max_tokens": 60, "max_pixels": 4096},
		"embed": {"model": "bill/texts", "dim": 64, "cost_micro_usd": 7},
		"transcribe": {"model": "bill/asr", "cost_micro_usd": 90}}}
}}`
