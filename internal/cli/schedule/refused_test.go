package schedule_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

// TestRefused keeps the messages for mistakes in one golden file.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	var out strings.Builder
	for _, line := range []string{
		"create", "create x", "create x --every 1h", "create a/b --every 1h -- ingest s3://b/v", "create x -- ingest s3://b/v", "create x --every 5 -- ingest s3://b/v",
		"create x --every 1h --offset 2h -- ingest s3://b/v", "create x --every 1h --time-zone UTC -- ingest s3://b/v", "create x --cron 1 -- ingest s3://b/v",
		"create x --cron @daily --time-zone Berlin -- ingest s3://b/v", "create x --every 1h --overlap skp -- ingest s3://b/v", "create x --every 1h --catch-up 1s -- ingest s3://b/v",
		"create x --every 1h --start soon -- ingest s3://b/v", "create x --every 1h --end 2020-01-01 -- ingest s3://b/v",
		"create x --every 1h -- ingest", "create x --every 1h -- ingest s3://b/v --priorty 2", "create x --every 1h -- ingest s3://b/v --priority 9", "create x --every 1h -- ingst s3://b/v",
		"create x --every 1h -- ingest ftp://b/v", "create x --every 1h -- ingest s3://b/v --id y", "create x --every 1h -- ingest s3://b/v --dry-run", "create x --every 1h -- ingest s3://b/v --json",
		"create x --every 1h -- ingest https://user:word@host/v.mp4", "create x --every 1h -- status", "create x --every 1h -- cancel y", "create x --every 1h -- videos delete abc",
		"create x --every 1h -- train check rows.jsonl", "create x --every 1h -- train sft", "create x --every 1h -- schedule delete x", "create x --every 1h --type IngestVideo",
		"create x --every 1h --type Ingest --input {}", `create x --every 1h --type IngestVideo --input {"url":"s3://b/v"}`, `create x --every 1h --type IngestVideo --input {"uri":1}`,
		`create x --every 1h --type IngestVideo --input {"uri":"s3://b/v","tenant":"a/b"}`, `create x --every 1h --input {}`, "trigger x --overlap no", "backfill x --overlap no", "list --tenant a/b",
	} {
		code, stdout, stderr := b.Run(append([]string{"schedule"}, strings.Fields(line)...)...)
		assert.NotZero(t, code, line)
		text, _, _ := strings.Cut(stdout+stderr, "\nUsage: ")
		out.WriteString("$ cogflow schedule " + line + "\n" + strings.TrimSpace(text) + "\n\n")
	}
	clitest.Golden(t, "refused", out.String())
}
