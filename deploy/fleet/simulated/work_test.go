package simulated

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/video"
)

// profile is the name of a simulated profile with a gpu_wait and GPU classes.
func profile(wait string, classes ...string) string { return wait + " " + strings.Join(classes, ",") }

func oneRow() activities.Dataset {
	return activities.Dataset{Rows: []json.RawMessage{[]byte(`{"prompt":"a","completion":"b"}`)}}
}

// activities are the simulated activities, by the names of the real ones.
func (f *fleet) activities() map[string]any {
	return map[string]any{
		"PrepareDataset": simulate(f, func(train.PrepareInput) dataset.Check {
			return dataset.Check{OK: true, TrainFile: &training.File{SHA256: strings.Repeat("0", 64), Rows: 100}}
		}),
		"PlanTraining": simulate(f, func(in train.PlanInput) train.Planned {
			var out train.Planned
			out.Job = strings.Repeat("a", 64)
			for _, class := range in.GPU {
				out.Estimate.Classes = append(out.Estimate.Classes, estimate.ClassEstimate{
					Class: class, Fits: true, WithinBudget: true, MicroBatch: 1, Accumulation: 1,
				})
			}
			return out
		}),
		"ClaimJob": simulate(f, func(activities.JobInput) *training.Outcome { return nil }),
		"RunTraining": simulate(f, func(train.RunInput) train.Run {
			return train.Run{Ended: training.EndedDone, Tally: train.Tally{Attempts: 1}}
		}),
		"PublishAdapter": simulate(f, func(in train.PublishInput) train.PublishedAdapter {
			return train.PublishedAdapter{Name: in.Name, Version: 1, Outcome: training.Outcome{GPU: in.GPU}}
		}),
		"WriteTrainReport": simulate(f, func(train.ReportInput) activities.ReportResult { return activities.ReportResult{} }),
		"ReleaseJob":       simulate(f, func(activities.JobInput) struct{} { return struct{}{} }),

		"ResolveProfile": simulate(f, func(in ingest.ResolveInput) (out ingest.Recipe) {
			text, list, _ := strings.Cut(in.Profile, " ")
			classes := strings.Split(list, ",")
			out.Profile, out.Describe, out.Transcribe = in.Profile, "a model", "a model"
			out.ChunkFrames, out.DescribeGPU, out.TranscribeGPU, out.EmbedGPU = 4, classes, classes, classes
			out.GPUWait, _ = time.ParseDuration(text) // 0 = no limit
			return out
		}),
		"Inspect": simulate(f, func(in ingest.InspectInput) video.Source { return video.Source{Video: "abc", Name: in.URI} }),
		"Claim":   simulate(f, func(ingest.ClaimInput) ingest.ClaimResult { return ingest.ClaimResult{Generation: "def", Expected: 4} }),
		"Extract": simulate(f, func(ingest.ExtractInput) video.Extraction {
			return video.Extraction{Frames: 4, Chunks: 1, AudioPieces: 1, DurationMS: 1000}
		}),
		"DescribeChunk": simulate(f, func(ingest.ChunkInput) ingest.ChunkResult { return ingest.ChunkResult{Frames: 4} }),
		"Transcribe":    simulate(f, func(ingest.TranscribeInput) ingest.ChunkResult { return ingest.ChunkResult{} }),
		"EmbedChunk":    simulate(f, func(ingest.ChunkInput) ingest.ChunkResult { return ingest.ChunkResult{Frames: 4} }),
		"IndexChunks":   simulate(f, func(ingest.IndexInput) ingest.ChunkResult { return ingest.ChunkResult{Frames: 4} }),
		"PublishVideo":  simulate(f, func(ingest.PublishInput) ingest.PublishResult { return ingest.PublishResult{Documents: 4} }),
		"WriteReport":   simulate(f, func(ingest.ReportInput) activities.ReportResult { return activities.ReportResult{} }),

		"EmbedQuery": simulate(f, func(ingest.EmbedQueryInput) ingest.EmbedQueryResult {
			<-time.After(time.Duration(f.gpuTime.Load()))
			return ingest.EmbedQueryResult{}
		}),
		"Search": simulate(f, func(ingest.SearchInput) ingest.SearchResult { return ingest.SearchResult{} }),
	}
}

// simulate is an activity that records that it was taken, and whose work is a function of its input.
func simulate[In interface{ Owner() tenant.ID }, Out any](f *fleet, work func(In) Out) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		f.note(ctx, in.Owner())
		return work(in), nil
	}
}
