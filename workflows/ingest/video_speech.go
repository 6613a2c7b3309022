package ingest

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// wordless reports a video whose speech is not searched.
func wordless(recipe ingest.Recipe, source video.Source) bool {
	return recipe.Transcribe == "" && source.Subtitles == ""
}

// transcribe makes the transcript, and indexes its passages if speech has documents of its
// own. Otherwise frames include their speech, and none is indexed before.
func (r *videoRun) transcribe(ctx workflow.Context) {
	x := r.extraction
	if !x.SpeechApart && (x.AudioPieces == 0 || r.recipe.Transcribe == "") {
		r.at.transcribed = true
		return
	}
	r.at.transcribing = true
	defer func() { r.at.transcribing = false }()
	if !x.Subtitles && !r.hear(ctx) {
		return
	}
	if x.SpeechApart && !r.speech(ctx) {
		return
	}
	r.at.transcribed = true
}

// hear transcribes the sound; false = the run has failed.
func (r *videoRun) hear(ctx workflow.Context) bool {
	summary := fmt.Sprintf("transcribe %s of %s", workflows.Clock(time.Duration(r.extraction.DurationMS)*time.Millisecond), r.name())
	out, err := r.affordable(ctx, stageTranscribe, func(limit int64) (ingest.ChunkResult, error) {
		return workflows.CallOnClass(ctx, r.Caller, workflows.StemTranscribe, r.recipe.TranscribeGPU, r.recipe.GPUWait, summary, r.a.Transcribe,
			ingest.TranscribeInput{VideoRef: r.ref(), Job: r.job, LimitMicroUSD: limit})
	})
	if err == nil {
		r.pay(ctx, out)
	}
	return err == nil
}

// speech embeds and indexes the passages of the transcript; false = the run has failed.
func (r *videoRun) speech(ctx workflow.Context) bool {
	in := ingest.ChunkInput{VideoRef: r.ref(), Job: r.job}
	out, err := r.affordable(ctx, stageSpeech, func(limit int64) (ingest.ChunkResult, error) {
		in.LimitMicroUSD = limit
		return workflows.CallOnClass(ctx, r.Caller, workflows.StemEmbed, r.recipe.EmbedGPU, r.recipe.GPUWait,
			"embed the speech of "+r.name(), r.a.EmbedSpeech, in)
	})
	if err != nil {
		return false
	}
	r.pay(ctx, out)
	if out.Frames == 0 {
		return true
	}
	start := r.Elapsed(ctx).Milliseconds()
	var indexed ingest.ChunkResult
	err = r.whenRoom(ctx, roomInIndex, func() (err error) {
		indexed, err = workflows.Call(r.Feed(ctx, fmt.Sprintf("index %d passages of speech of %s", out.Frames, r.name())), r.a.IndexSpeech, r.ref())
		return err
	})
	if err != nil {
		r.failedIn(stageSpeech, err)
		return false
	}
	r.progress.Passages = indexed.Frames
	r.took(video.StageTime{Name: stageSpeech, BusyMS: indexed.BusyMS, StartMS: start, EndMS: r.Elapsed(ctx).Milliseconds()})
	r.showDetails(ctx)
	return true
}
