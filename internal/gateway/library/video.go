package library

import (
	"cmp"
	"context"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/stored"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	sheetFrames = 24  // of a contact sheet, by default
	maxSheet    = 500 // at most
	readAtOnce  = 16  // captions
)

// Video is one video as it was ingested into a profile.
type Video struct {
	Video      video.ID    `json:"video"`
	Name       string      `json:"name"`
	URI        string      `json:"uri"`
	Profile    string      `json:"profile"`
	Profiles   []string    `json:"profiles"` // all that it was ingested into
	Media      video.Media `json:"media"`
	Bytes      int64       `json:"bytes"`
	MediaType  string      `json:"media_type"`  // of its bytes
	DurationMS int64       `json:"duration_ms"` // playing time, in milliseconds
	Documents  int         `json:"documents"`   // in the index
	Frames     int         `json:"frames"`      // that were extracted

	// Sheet are frames evenly over the video, or those of the asked range.
	Sheet []Frame `json:"sheet"`
	// Speech is what is said, by time; null = its speech has no documents of its own.
	Speech []video.Passage `json:"speech"`
}

// Frame is a frame with what was written about it.
type Frame struct {
	PTSMS    int64  `json:"pts_ms"` // its name in /videos/{video}/frames/{pts_ms}.jpg
	StartMS  int64  `json:"start_ms"`
	EndMS    int64  `json:"end_ms"`
	Caption  string `json:"caption"`
	OnScreen string `json:"on_screen_text,omitempty"`
	Preview  bool   `json:"preview"` // a built-in preview model wrote the caption
}

func videoParams() []api.Param {
	return []api.Param{
		{Name: "video", Text: "SHA-256 of the content"},
		{Name: "profile", Text: "profile; default: the first by name"},
		{Name: "frames", Text: "maximum number of frames in the sheet, 0 to 500; default 24"},
		{Name: "from_ms", Text: "only frames that last beyond this time, in milliseconds"},
		{Name: "to_ms", Text: "only frames that begin before this time, in milliseconds"},
	}
}

func (a *API) video(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, videoParams())
	sheet := int(q.Int("frames", sheetFrames, 0, maxSheet))
	during := video.Filter{FromMS: q.Int("from_ms", 0, 0, maxMS), ToMS: q.Int("to_ms", 0, 1, maxMS)}
	if err := q.Err(); err != nil {
		return err
	}
	p, err := a.published(r, c.Tenant, q.Text("profile"))
	if err != nil {
		return err
	}
	out := Video{
		Video: p.Source.Video, Name: p.Source.Name, URI: p.Source.URI, Profile: p.profile, Profiles: p.profiles, Media: p.Source.Media, Bytes: p.Source.Bytes,
		MediaType: mediaType(p.Source.Media), DurationMS: p.Generation.DurationMS, Documents: p.Generation.Documents, Frames: p.Extraction.Frames,
	}
	frames, err := stored.Frames(r.Context(), p.store, p.prefix, p.Extraction)
	if err != nil {
		return err
	}
	frames = slices.DeleteFunc(frames, func(f video.Frame) bool { return !during.During(f.StartMS, f.EndMS) })
	if out.Sheet, err = a.sheet(r.Context(), c.Tenant, p, frames, sheet); err != nil {
		return err
	}
	if out.Speech, err = stored.Passages(r.Context(), p.store, p.recipe, p.prefix, p.Extraction); err != nil {
		return err
	}
	api.WriteJSON(w, http.StatusOK, out)
	return nil
}

// sheet picks frames evenly and reads their captions.
func (a *API) sheet(ctx context.Context, t tenant.ID, p publication, frames []video.Frame, most int) ([]Frame, error) {
	picked := video.Spread(len(frames), most)
	out := make([]Frame, len(picked))
	group, ctx := panics.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for i, at := range picked {
		group.Go(func() error {
			f := frames[at]
			c, err := stored.Caption(ctx, p.store, t, p.recipe, f)
			out[i] = Frame{PTSMS: f.PTSMS, StartMS: f.StartMS, EndMS: f.EndMS, OnScreen: c.OnScreenText, Preview: c.Preview}
			if c.Text != "" {
				out[i].Caption = p.recipe.DocumentText(f, c)
			}
			return err
		})
	}
	return out, group.Wait()
}

// publication is what is published of a video, and what is needed to read its objects.
type publication struct {
	video.Publication
	profile  string
	profiles []string
	recipe   video.Profile
	prefix   string // of its frames
	store    activities.Store
}

// published reads what is published of the video of a request in a profile; "" = the first one.
func (a *API) published(r *http.Request, t tenant.ID, profile string) (p publication, err error) {
	v, err := id(r)
	if err != nil {
		return p, err
	}
	ctx := r.Context()
	if p.store, err = a.Store(ctx); err != nil {
		return p, err
	}
	err = p.store.List(ctx, video.Prefix(t, v)+"index/", func(o object.Info) error {
		p.profiles = append(p.profiles, strings.TrimSuffix(path.Base(o.Key), ".json"))
		return nil
	})
	if err != nil {
		return p, err
	}
	if len(p.profiles) == 0 {
		return p, notFound("there is no such video; GET /videos lists them")
	}
	p.profile = cmp.Or(profile, p.profiles[0])
	if !slices.Contains(p.profiles, p.profile) {
		return p, notFound("the video is not ingested into this profile, but into " + strings.Join(p.profiles, ", "))
	}
	if err := activities.ReadJSON(ctx, p.store, video.PublicationKey(t, v, p.profile), &p.Publication); err != nil {
		return p, missing(err, "the video was deleted")
	}
	if p.recipe, err = a.recipe(ctx, p.store, t, p.Recipe); err != nil {
		return p, err
	}
	p.recipe.Subtitles = p.Source.Subtitles
	p.prefix = video.FramesPrefix(t, v, p.recipe.ExtractFingerprint(v))
	return p, nil
}

func (a *API) recipe(ctx context.Context, s activities.Store, t tenant.ID, f video.Fingerprint) (p video.Profile, err error) {
	key := video.RecipeKey(t, f)
	if known, ok := a.recipes.Load(key); ok {
		return known.(video.Profile), nil
	}
	if err = activities.ReadJSON(ctx, s, key, &p); err == nil {
		a.recipes.Store(key, p)
	}
	return p, err
}
