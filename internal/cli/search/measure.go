package search

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/cli"
	evalreport "github.com/cogniverse/cogflow/internal/report/eval"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// searchesAtOnce limits the load, so that searches of other users stay fast.
const searchesAtOnce = 4

// searchError adds the query and the rank profile to the error of a search.
type searchError struct {
	query, rank string
	err         error
}

func (e *searchError) Error() string {
	return fmt.Sprintf("search %q by %s: %v", e.query, e.rank, e.err)
}

func (e *searchError) Unwrap() error { return e.err }

// measure runs each query with each rank profile. in has the fields that all searches share.
// It returns
// the first error, because scores of a part of the queries would not be comparable.
func (a app) measure(ctx context.Context, queries []eval.Query, ranks []string, in ingest.SearchInput) ([]eval.RankScores, evalreport.Searched, error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return nil, evalreport.Searched{}, err
	}
	scores := make([][]eval.QueryScores, len(ranks))
	for i := range scores {
		scores[i] = make([]eval.QueryScores, len(queries))
	}
	searched := make([]*ingest.Searched, len(ranks)*len(queries))
	one := func(ctx context.Context, i int) error {
		rank, place := i%len(ranks), i/len(ranks)
		search, q := in, queries[place]
		search.Query, search.Rank = q.Query, ranks[rank]
		found, err := a.find(ctx, c, search)
		if err != nil {
			return &searchError{search.Query, search.Rank, err}
		}
		scores[rank][place] = eval.QueryScores{Query: q.Query, Scores: eval.Score(q, found.Hits, in.Limit)}
		searched[i] = found.Searched
		return nil
	}
	if err := a.each(ctx, c, len(queries)*len(ranks), one); err != nil {
		if failed, ok := errors.AsType[*searchError](err); ok && ctx.Err() == nil {
			a.Note("search %q by %s failed", failed.query, failed.rank)
		}
		return nil, evalreport.Searched{}, err
	}
	means := make([]eval.RankScores, len(ranks))
	for i, rank := range ranks {
		means[i] = eval.Mean(video.Rank(rank), scores[i])
	}
	return means, about(searched), nil
}

// each calls one for each number from 0 to n−1, a few concurrently, and shows the progress.
func (a app) each(ctx context.Context, c client.Client, n int, one func(context.Context, int) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(searchesAtOnce)
	done, ended, notes := make(chan struct{}), make(chan error, 1), make(chan string)
	go func() {
		for i := 0; i < n && working.Err() == nil; i++ {
			group.Go(func() error {
				err := one(working, i)
				done <- struct{}{}
				return err
			})
		}
		ended <- group.Wait()
	}()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go a.WatchQueues(watching, c, notes)
	v := a.View()
	defer v.End()
	show := a.counter(v, n, "searches")
	for i := 0; ; {
		select {
		case <-done:
			i++
			show(i)
		case text := <-notes:
			v.Note(text)
		case err := <-ended:
			if err == nil {
				err = ctx.Err()
			}
			return err
		}
	}
}

// counter returns a function that shows the number of finished items.
func (a app) counter(v cli.View, total int, noun string) func(done int) {
	if a.Quiet {
		return func(int) {}
	}
	task := cli.NewTask(v, noun)
	show := func(done int) {
		text := fmt.Sprintf("%d/%d %s", done, total, noun)
		task.Set(done, total, text, text)
	}
	show(0)
	return show
}

// find runs one search for this command only: an interrupt cancels it.
func (a app) find(ctx context.Context, c client.Client, in ingest.SearchInput) (ingest.SearchResult, error) {
	run, _, err := a.Start(ctx, c, cli.Job{
		Kind: "SearchVideos", ID: fmt.Sprintf("search-%s-%s", in.Tenant, uuid.NewString()),
		Common: in.Common, Profile: in.Profile, Summary: "search " + strconv.Quote(in.Query) + " for eval",
		Timeout: time.Hour, Input: in, // long enough for a command whose result the user waits for
	})
	if err != nil {
		return ingest.SearchResult{}, err
	}
	var r ingest.SearchResult
	err = run.Get(ctx, &r)
	if ctx.Err() != nil {
		return ingest.SearchResult{}, errors.Join(ctx.Err(), cli.CancelSoon(c, run.GetID()))
	}
	if err == nil {
		a.Forget(ctx, c, "SearchVideos", run)
	}
	return r, err
}
