package ingest

import (
	"context"
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/passage"
)

// TranscribeInput names a video to transcribe.
type TranscribeInput struct {
	VideoRef
	Job           string `json:"job"`
	LimitMicroUSD int64  `json:"limit_micro_usd,omitempty"`
}

// Transcribe makes the transcript of a video, piece by piece; each piece is stored before
// the next step relies on it. Frames in the result counts pieces, and Refused those that
// the model refuses: their speech is left out.
func (a *Activities) Transcribe(ctx context.Context, in TranscribeInput) (ChunkResult, error) {
	p, err := a.pinned(ctx, in.VideoRef)
	if err != nil {
		return ChunkResult{}, err
	}
	prefix := video.FramesPrefix(in.Tenant, in.Video, p.ExtractFingerprint(in.Video))
	var x video.Extraction
	if err := activities.ReadJSON(ctx, a.Store, video.ExtractionKey(prefix), &x); err != nil {
		return ChunkResult{}, err
	}
	pieces := make([]video.Frame, x.AudioPieces)
	for i := range pieces {
		pieces[i].PTSMS = int64(i) * x.PieceMS()
	}
	asked := ChunkInput{VideoRef: in.VideoRef, Job: in.Job, LimitMicroUSD: in.LimitMicroUSD}
	piece := func(f video.Frame) int { return int(f.PTSMS / x.PieceMS()) }
	return a.askAll(ctx, asked, pieces, asking{
		kind: video.KindTranscribe, stage: p.Transcribe, limits: a.Transcriber, cost: p.Transcribe.CostMicroUSD, unpriced: p.Transcribe.Unpriced,
		refused:     p.RefusedKey(prefix, video.KindTranscribe, 0),
		fingerprint: func(f video.Frame) video.Fingerprint { return p.TranscriptFingerprint(in.Video, piece(f)) },
		key:         video.TranscriptKey,
		shows:       func(f video.Frame) []string { return []string{video.AudioKey(prefix, piece(f))} },
		ask: func(ctx context.Context, key string, shown [][]byte) (video.PaidAnswer, error) {
			said, err := a.Transcriber.Transcribe(ctx, video.TranscribeRequest{Stage: p.Transcribe, FLAC: shown[0]})
			return a.paid(said.CostMicroUSD, key, said), err
		},
	})
}

// pieces reads the transcripts of pieces of a video's sound, the last one included. Refused
// pieces are left out.
func (a *Activities) pieces(ctx context.Context, t tenant.ID, p video.Profile, v video.ID, x video.Extraction, first, last int) ([]passage.Piece, error) {
	prefix := video.FramesPrefix(t, v, p.ExtractFingerprint(v))
	if p.HasSubtitles(x) {
		one, key := passage.Piece{EndMS: max(x.DurationMS, 1)}, video.SubtitlesKey(prefix)
		if p.Subtitles != "" && p.Subtitles != video.InContainer {
			key = video.SidecarKey(t, v, p.Subtitles)
		}
		err := activities.ReadJSON(ctx, a.Store, key, &one.Transcript)
		return []passage.Piece{one}, err
	}
	refused, err := refusal.Read(ctx, a.Store, p.RefusedKey(prefix, video.KindTranscribe, 0))
	if err != nil {
		return nil, err
	}
	var out []passage.Piece
	long := x.PieceMS()
	for piece := first; piece <= last && piece < x.AudioPieces; piece++ {
		start := int64(piece) * long
		if refused.Has(video.Frame{PTSMS: start}) {
			continue
		}
		one := passage.Piece{StartMS: start, EndMS: start + long + x.AudioOverlapMS}
		if err := activities.ReadJSON(ctx, a.Store, video.TranscriptKey(t, p.TranscriptFingerprint(v, piece)), &one.Transcript); err != nil {
			return nil, fmt.Errorf("transcript of piece %d: %w", piece, err)
		}
		out = append(out, one)
	}
	return out, nil
}

// speech reads the transcript of a time range of a video; times count from the start of the
// video.
func (a *Activities) speech(ctx context.Context, t tenant.ID, p video.Profile, v video.ID, x video.Extraction, startMS, endMS int64) ([]passage.Said, error) {
	long := x.PieceMS()
	pieces, err := a.pieces(ctx, t, p, v, x, int(startMS/long), int(max(endMS-1, startMS)/long))
	return passage.Join(pieces), err
}

// said joins the segments that a frame's range overlaps: each document holds the speech of
// its own time, not of the whole video.
func said(speech []passage.Said, f video.Frame) string {
	var texts []string
	for _, s := range speech {
		if s.StartMS < max(f.EndMS, f.StartMS+1) && s.EndMS > f.StartMS {
			texts = append(texts, strings.TrimSpace(s.Text))
		}
	}
	return strings.Join(texts, " ")
}
