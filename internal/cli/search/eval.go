package search

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows/ingest"

	evalreport "github.com/cogniverse/cogflow/internal/report/eval"
)

// maxRanks is the maximum number of rank profiles in one run.
const maxRanks = 16

func (a app) evalCommand() *cobra.Command {
	var in ingest.SearchInput
	var file, page string
	var compared []string
	cmd := &cobra.Command{
		Use:   "eval --queries FILE",
		Short: "Measure search quality with judged queries",
		Long: `Eval runs the queries of a file and compares the hits with those that the file calls relevant.
It prints nDCG@k, recall@k and MRR of each rank profile. Each line of the file is one query:

  {"query": "a red car", "relevant": [{"video": "a.mp4", "start_ms": 2000, "end_ms": 9000, "grade": 2}]}

"video" is a file name, an id or a URI. Without a range the whole video is relevant. "grade" is
the relevance, from 1 (default) to 10.`,
		Example: `  cogflow eval --queries examples/eval-demo.jsonl
  cogflow eval --queries judged.jsonl --rank hybrid,vector --k 20 --report quality.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.Normalize(&in.Common); err != nil {
				return err
			}
			if err := checkEval(file, compared, in.Limit); err != nil {
				return err
			}
			queries, err := readQueries(file)
			if err != nil {
				return err
			}
			r := eval.Report{Queries: file, Tenant: in.Tenant, Profile: in.Profile, K: in.Limit}
			var from evalreport.Searched
			r.Ranks, from, err = a.measure(cmd.Context(), queries, compared, in)
			if err != nil {
				return err
			}
			if err := a.printEval(r); err != nil {
				return err
			}
			return a.writeEval(page, r, from)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "queries", "", "file of judged queries, one JSON object per line")
	f.StringVar(&in.Tenant, "tenant", "", `tenant that owns the videos (default "default")`)
	f.StringVar(&in.Profile, "profile", "", "searched profile (default: the active one)")
	f.StringSliceVar(&compared, "rank", ranks(), "rank profiles to compare")
	f.IntVar(&in.Limit, "k", 10, "number of hits to judge, up to 1000")
	f.StringVar(&page, "report", "", "write an HTML page with plots to this file")
	a.CompleteProfiles(cmd)
	cli.OfferWords(cmd, "rank", ranks()...)
	return cmd
}

func checkEval(file string, ranks []string, k int) error {
	if file == "" {
		return cli.Usage("--queries must be a file of judged queries")
	}
	if len(ranks) == 0 || len(ranks) > maxRanks {
		return cli.Usage("--rank must be 1 to %d rank profiles", maxRanks)
	}
	for i, rank := range ranks {
		if rank == "" || slices.Contains(ranks[:i], rank) {
			return cli.Usage("--rank must be distinct names: %q", rank)
		}
	}
	if k < 1 || k > 1000 {
		return cli.Usage("--k must be 1 to 1000")
	}
	return nil
}

func readQueries(name string) ([]eval.Query, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.Input, "read queries", name, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Input, "read queries", name, "it is a directory")
	}
	return eval.ParseQueries(file, name)
}

func (a app) printEval(r eval.Report) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	rows := make([][]string, len(r.Ranks))
	queries := 0
	for i, rank := range r.Ranks {
		found := 0
		for _, q := range rank.Queries {
			if q.First > 0 {
				found++
			}
		}
		queries = len(rank.Queries)
		rows[i] = []string{
			string(rank.Rank), fmt.Sprintf("%.4f", rank.NDCG), fmt.Sprintf("%.4f", rank.Recall), fmt.Sprintf("%.4f", rank.MRR),
			strconv.Itoa(found) + " of " + strconv.Itoa(queries),
		}
	}
	a.Table([]cli.Column{
		{Name: "rank"},
		{Name: fmt.Sprintf("ndcg@%d", r.K), Right: true},
		{Name: fmt.Sprintf("recall@%d", r.K), Right: true},
		{Name: "mrr", Right: true},
		{Name: "found", Right: true},
	}, rows)
	return nil
}

// writeEval writes the page, if requested. The scores are printed first, so that a full disk
// does not lose them.
func (a app) writeEval(name string, r eval.Report, from evalreport.Searched) error {
	if name == "" {
		return nil
	}
	var page bytes.Buffer
	if err := evalreport.Render(&page, r, from); err != nil {
		return err
	}
	if err := os.WriteFile(name, page.Bytes(), 0o644); err != nil {
		return fault.Disk("write report", name, err)
	}
	if !a.JSON && !a.Quiet {
		a.Note("Report: %s", name)
	}
	return nil
}
