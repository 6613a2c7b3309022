package costs

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"

	report "github.com/cogniverse/cogflow/internal/report/costs"
)

// page writes the HTML page. Its plots need the costs by day, too.
func (a app) page(ctx context.Context, r *costs.Reader, file string, q money.CostQuery, out money.Costs, now time.Time) error {
	daily := q
	daily.By, daily.Limit = []money.Dimension{money.ByDay, money.ByKind}, 0
	days, err := r.Costs(ctx, daily)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := report.Render(&page, report.Page{Query: q, Costs: out, Days: days.Groups, Now: now, Version: a.Version}); err != nil {
		return err
	}
	if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
		return fault.Disk("write page", file, err)
	}
	if !a.Quiet {
		a.Note("Page: %s", file)
	}
	return nil
}
