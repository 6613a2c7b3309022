package costs

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/money"
)

func render(t testing.TB, p Page) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Render(&out, p))
	reporttest.SelfContained(t, out.String(), report.Style+report.CurveStyle+pageStyle)
	return out.String()
}

// sample has 30 days of three kinds.
func sample() Page {
	now := time.Date(2026, 11, 29, 18, 0, 0, 0, time.UTC)
	p := Page{
		Query: money.CostQuery{By: []money.Dimension{money.ByKind, money.ByModel}, Since: now.AddDate(0, 0, -30)}, Now: now, Version: "1.2.3",
	}
	for i, kind := range []string{"describe", "embed", "train"} {
		sum := money.Cost{}
		for day := range 30 {
			if day%9 == 4*i {
				continue
			}
			c := money.Cost{
				Calls: int64(40 + day*i), Answered: int64(38 + day*i), Charged: 1, Lost: 1, Repeated: 1, SettledMicroUSD: int64((400_000 + 70_000*((day*7)%5)) / (2*i + 1)), FailedMicroUSD: 9_000,
			}
			if kind == "train" {
				c.Used = money.Used{GPUMS: int64(600_000 + 9_000*day)}
			} else {
				c.Used = money.Used{InputTokens: int64(40_000 + 1000*day), CachedTokens: int64(9_000 * (1 - i)), OutputTokens: int64(4_000 * (1 - i))}
			}
			if day == 29 {
				c.Open, c.ReservedMicroUSD = 1, 12_000
			}
			p.Days = append(p.Days, money.CostGroup{Values: []string{now.AddDate(0, 0, day-29).Format(time.DateOnly), kind}, Cost: c})
			sum = add(sum, c)
		}
		p.Costs.Groups = append(p.Costs.Groups, money.CostGroup{Values: []string{kind, []string{"Qwen/Qwen3-VL-8B-Instruct", "text-embedding-3-small", "SmolLM3-3B on a10g"}[i]}, Cost: sum})
		p.Costs.Total = add(p.Costs.Total, sum)
	}
	p.Costs.Number = 3
	return p
}

func add(a, b money.Cost) money.Cost {
	a.Calls, a.Answered, a.Charged, a.Lost, a.Open, a.Repeated = a.Calls+b.Calls, a.Answered+b.Answered, a.Charged+b.Charged, a.Lost+b.Lost, a.Open+b.Open, a.Repeated+b.Repeated
	a.SettledMicroUSD, a.FailedMicroUSD, a.ReservedMicroUSD = a.SettledMicroUSD+b.SettledMicroUSD, a.FailedMicroUSD+b.FailedMicroUSD, a.ReservedMicroUSD+b.ReservedMicroUSD
	u, v := &a.Used, b.Used
	u.InputTokens, u.CachedTokens, u.OutputTokens, u.GPUMS = u.InputTokens+v.InputTokens, u.CachedTokens+v.CachedTokens, u.OutputTokens+v.OutputTokens, u.GPUMS+v.GPUMS
	return a
}

func TestGolden(t *testing.T) {
	t.Parallel()
	reporttest.Golden(t, "testdata/costs.html", []byte(render(t, sample())))
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	page := render(t, Page{Query: money.CostQuery{By: []money.Dimension{money.ByDay}}})
	require.Contains(t, page, "No calls")
	require.NotContains(t, page, "By day")
}

// TestManyDays: several days share a bar, and none is lost.
func TestManyDays(t *testing.T) {
	t.Parallel()
	p := sample()
	p.Days = nil
	for day := range 1000 {
		p.Days = append(p.Days, money.CostGroup{Values: []string{p.Now.AddDate(0, 0, -day).Format(time.DateOnly), "k"}, Cost: money.Cost{SettledMicroUSD: 1_000_000}})
	}
	d := newDays(p.Days)
	require.Equal(t, "9", d.Every)
	require.Len(t, d.Rects, 112)
	require.Contains(t, d.Rects[0].Name, " k $9.00")
	require.Contains(t, d.Rects[111].Name, " k $1.00", "the last bar has one day")
}

func FuzzRender(f *testing.F) {
	for _, text := range []string{`<script>alert(1)</script>`, "</style><b>x", "\u202e\x00'`", strings.Repeat("A", 9999), "2026-11-29"} {
		f.Add(text, int64(1))
	}
	f.Fuzz(func(t *testing.T, text string, micro int64) {
		p := sample()
		p.Query.Tenant, p.Version = text, text
		for i := range p.Days {
			p.Days[i].Values[i%2], p.Days[i].SettledMicroUSD = text, micro
		}
		for i := range p.Costs.Groups {
			p.Costs.Groups[i].Values[i%2], p.Costs.Groups[i].SettledMicroUSD = text, micro
		}
		page := render(t, p)
		require.NotContains(t, page, "<script")
		require.NotContains(t, page, strings.Repeat("A", report.MaxName+1))
	})
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, Render(reporttest.BrokenWriter{Err: io.ErrShortWrite}, sample()), io.ErrShortWrite)
}
