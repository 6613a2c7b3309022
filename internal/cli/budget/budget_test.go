package budget_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// spent makes the ledger of a bench, with a settled call and an open one.
func spent(t *testing.T, b *clitest.Bench, owner string, settled, reserved int64) {
	t.Helper()
	l, err := ledger.Open(b.LedgerFile())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	for i, micro := range []int64{settled, reserved} {
		r, err := l.TryReserve(t.Context(), video.Call{
			Tenant: tenant.ID(owner), Job: "job", Model: "gpt-5", Fingerprint: video.Fingerprint(rune('a' + i)), CostMicroUSD: micro,
		}, 0)
		require.NoError(t, err)
		if i == 0 {
			_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: micro})
			require.NoError(t, err)
		}
	}
}

// times replaces what depends on the day of the test.
func times(text string) string {
	return regexp.MustCompile(`20\d\d-\d\d-\d\d 00:00`).ReplaceAllString(text, "DAY 00:00")
}

func ok(t *testing.T, b *clitest.Bench, args ...string) string {
	t.Helper()
	code, out, notes := b.Run(args...)
	require.Equal(t, cli.ExitDone, code, notes)
	return times(out)
}

// TestBudgets shows what the commands print. Without a server the budget is set, and the exit
// code is 3.
func TestBudgets(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	spent(t, b, "uni:vision", 12_300_000, 400_000)
	require.Contains(t, ok(t, b, "budget", "list"), "No budgets.")
	require.Equal(t, "Set the hard budget of tenant uni:vision to $50.00 a month: $12.30 spent, $0.40 reserved, $37.30 left until DAY 00:00 UTC.\n",
		ok(t, b, "budget", "set", "50", "--tenant", "uni:vision"))
	ok(t, b, "budget", "set", "12.5", "--org", "uni", "--period", "total")
	ok(t, b, "budget", "set", "--model", "gpt-5", "--period", "day", "--soft", "15")
	ok(t, b, "budget", "set", "0", "--tenant", "uni:vision", "--model", "gpt-5", "--period", "day")
	list := ok(t, b, "budget", "list", "--wide")
	clitest.Golden(t, "list", list)

	status := ok(t, b, "status")
	require.Contains(t, status, "Budget of organisation uni ($12.50 in total): $12.30 spent, $0.40 reserved, $0.00 left; calls that cost money wait. "+
		"Raise it: cogflow budget set --org uni --period total USD\n")
	require.Contains(t, status, "Budget of tenant uni:vision, model gpt-5 ($0.00 a day)")
	require.NotContains(t, status, "Soft budget", "it is not crossed")
	require.NotContains(t, status, "$50.00", "it has enough left")
	ok(t, b, "budget", "set", "--model", "gpt-5", "--period", "day", "--soft", "1")
	require.Contains(t, ok(t, b, "status"), "Soft budget of model gpt-5 ($1.00 a day): $12.30 spent, $0.40 reserved, $0.00 left until DAY 00:00 UTC\n")

	require.Contains(t, ok(t, b, "budget", "clear", "--org", "uni", "--period", "total"), "Cleared the hard budget of organisation uni, period total.")
	code, _, notes := b.Run("budget", "clear", "--org", "uni", "--period", "total")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, notes, "there is no hard budget with the period total; `cogflow budget list` shows all")

	type listed struct {
		Budgets []map[string]any `json:"budgets"`
	}
	all := clitest.Decode[listed](t, ok(t, b, "budget", "list", "--json", "--tenant", "uni:vision"))
	require.Len(t, all.Budgets, 2)
	for _, one := range all.Budgets {
		if one["model"] == nil {
			require.NotEmpty(t, one["period_end"])
			delete(one, "period_end")
			require.Equal(t, map[string]any{
				"tenant": "uni:vision", "period": "month", "kind": "hard", "limit_usd": 50.0, "spent_usd": 12.3, "reserved_usd": 0.4, "left_usd": 37.3, "state": "ok",
			}, one)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	for want, args := range map[string][]string{
		"--org, --tenant or --model is required":              {"set", "5"},
		"a budget is of an organisation or of a tenant":       {"set", "5", "--org", "a", "--tenant", "a:b"},
		"an organisation is the part of a tenant before":      {"set", "5", "--org", "a:b"},
		`a period is day, month or total, not "week"`:         {"set", "5", "--tenant", "a", "--period", "week"},
		"the amount must be USD from 0 to 9000000000000, not": {"set", "five", "--tenant", "a"},
		"must be letters, digits":                             {"clear", "--tenant", "a/b"},
	} {
		code, _, notes := b.Run(append([]string{"budget"}, args...)...)
		assert.Equal(t, cli.ExitUsage, code, args)
		assert.Contains(t, notes, want)
	}
	code, _, notes := b.Run("budget", "set", "5", "--tenant", "a")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, notes, "it does not exist on this host")
	require.NoFileExists(t, b.LedgerFile())

	spent(t, b, "a", 1, 1)
	code, out, notes := b.Run("budget", "set", "5", "--tenant", "a")
	require.Equal(t, cli.ExitPartial, code, "the budget is set")
	require.Contains(t, out, "Set the hard budget of tenant a")
	require.Contains(t, notes, "jobs that wait for it could not be told")
	require.Contains(t, notes, "They try again by themselves")
}

// TestTell: runs that wait for a budget are told, and no others.
func TestTell(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	spent(t, b, "a", 1, 1)
	w := worker.New(b.Client, workflows.QueueMain, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, stage string) error {
		err := workflow.UpsertTypedSearchAttributes(ctx, temporal.NewSearchAttributeKeyKeyword(workflows.AttrStage).ValueSet(stage))
		if err != nil {
			return err
		}
		workflow.GetSignalChannel(ctx, workflows.SignalBudgets).Receive(ctx, nil)
		return nil
	}, workflow.RegisterOptions{Name: "IngestVideo"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	runs := map[string]client.WorkflowRun{}
	for id, c := range map[string][2]string{
		"waits": {"uni:a", "budget"}, "blocked": {"uni", "blocked"}, "works": {"uni:a", "describe"}, "another": {"university", "budget"},
	} {
		run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: id, TaskQueue: workflows.QueueMain,
			TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(workflows.AttrTenant).ValueSet(c[0])),
		}, "IngestVideo", c[1])
		require.NoError(t, err)
		runs[id] = run
	}
	type changed struct {
		Told int `json:"told"`
	}
	require.Eventually(t, func() bool { // the list of the server is a moment late
		all, err := b.Client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: `CogStage = "budget" OR CogStage = "blocked" OR CogStage = "describe"`,
		})
		return err == nil && all.GetCount() == int64(len(runs))
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, 2, clitest.Decode[changed](t, ok(t, b, "budget", "set", "9", "--org", "uni", "--json")).Told)
	require.NoError(t, runs["waits"].Get(t.Context(), nil))
	require.NoError(t, runs["blocked"].Get(t.Context(), nil))
	for _, id := range []string{"works", "another"} {
		d, err := b.Client.DescribeWorkflow(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, "Running", d.Status.String(), id)
	}
	require.Contains(t, ok(t, b, "budget", "set", "10", "--tenant", "university", "--soft"), "soft budget")
}
