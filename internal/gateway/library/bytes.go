package library

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/video"
)

const (
	jpeg     = "image/jpeg"
	anything = "application/octet-stream"
)

// Bytes are the bytes of a video at its source.
type Bytes struct {
	io.ReadSeekCloser
	Version video.FileVersion // of the content
}

func frameParams() []api.Param {
	return []api.Param{
		{Name: "video", Text: "SHA-256 of the content"},
		{Name: "frame", Text: "presentation timestamp in milliseconds, and .jpg"},
		{Name: "profile", Text: "profile; default: the first by name"},
	}
}

func posterParams() []api.Param {
	return []api.Param{{Name: "video", Text: "SHA-256 of the content"}, {Name: "profile", Text: "profile; default: the first by name"}}
}

func contentParams() []api.Param { return []api.Param{{Name: "video", Text: "SHA-256 of the content"}} }

// frame answers the JPEG of one frame.
func (a *API) frame(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, frameParams())
	text, isJPEG := strings.CutSuffix(r.PathValue("frame"), ".jpg")
	ms, err := strconv.ParseInt(text, 10, 64)
	if !isJPEG || err != nil || ms < 0 || strconv.FormatInt(ms, 10) != text {
		return api.BadField("frame", "a frame is named by its presentation timestamp in milliseconds, such as 12000.jpg")
	}
	if err := q.Err(); err != nil {
		return err
	}
	p, err := a.published(r, c.Tenant, q.Text("profile"))
	if err != nil {
		return err
	}
	return image(w, r, p.store, video.PictureKey(p.prefix, ms))
}

// poster answers the JPEG of the video's list: its thumbnail, else its middle frame.
func (a *API) poster(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	q := api.Query(r, posterParams())
	if err := q.Err(); err != nil {
		return err
	}
	p, err := a.published(r, c.Tenant, q.Text("profile"))
	if err != nil {
		return err
	}
	if p.Extraction.Thumbnail == "" || !strings.HasPrefix(p.Extraction.Thumbnail, video.Prefix(c.Tenant, p.Source.Video)) {
		return notFound("the video has no picture")
	}
	return image(w, r, p.store, p.Extraction.Thumbnail)
}

func image(w http.ResponseWriter, r *http.Request, s activities.Store, key string) error {
	info, err := s.Stat(r.Context(), key)
	if err != nil {
		return missing(err, "the video has no frame at this time; GET /videos/{video} lists its frames")
	}
	data, err := activities.ReadAll(r.Context(), s, key)
	if err != nil {
		return missing(err, "the frame was deleted")
	}
	h := w.Header()
	h.Set("Content-Type", jpeg)
	h.Set("Cache-Control", "private, max-age=600")
	h.Set("ETag", `"`+info.SHA256+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// content answers the bytes of a video, or a range of them. They come from where the video was
// ingested from, under the same rules as for workers.
func (a *API) content(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	if err := api.Query(r, contentParams()).Err(); err != nil {
		return err
	}
	v, err := id(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	store, err := a.Store(ctx)
	if err != nil {
		return err
	}
	var source video.Source
	if err := activities.ReadJSON(ctx, store, video.SourceKey(c.Tenant, v), &source); err != nil {
		return missing(err, "there is no such video; GET /videos lists them")
	}
	var seen video.Seen
	if err := activities.ReadJSON(ctx, store, video.SeenKey(c.Tenant, source.URI), &seen); err != nil {
		return missing(err, "it is not known where the bytes of this video are; ingest it again")
	}
	from, err := a.Source(ctx, c.Tenant, source.URI)
	if err != nil {
		return err
	}
	defer from.Close()
	if seen.Video != v || seen.FileVersion != from.Version {
		return api.Fail(http.StatusConflict, "changed", "the file has changed since it was ingested, so a time in it may show something else; ingest it again")
	}
	h := w.Header()
	h.Set("Content-Type", mediaType(source.Media))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("ETag", `"`+string(v)+`"`)
	read := &failing{ReadSeeker: from}
	http.ServeContent(w, r, "", time.Time{}, read)
	return read.err
}

// failing remembers why a read failed: http.ServeContent only stops.
type failing struct {
	io.ReadSeeker
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// mediaType is the type of a container, by what the demuxer said about its content and never by its
// name. All of these are played or downloaded, and none is shown as a page.
func mediaType(m video.Media) string {
	kind := "video/"
	if m.AudioOnly() {
		kind = "audio/"
	}
	first, _, _ := strings.Cut(m.Format, ",")
	switch first {
	case "mov":
		return kind + "mp4"
	case "matroska":
		if strings.HasPrefix(m.VideoCodec, "vp") || m.VideoCodec == "av1" {
			return kind + "webm"
		}
		return kind + "x-matroska"
	case "avi":
		return "video/x-msvideo"
	case "mpegts":
		return "video/mp2t"
	case "mpeg":
		return "video/mpeg"
	case "ogg":
		return kind + "ogg"
	case "mp3":
		return "audio/mpeg"
	case "wav", "flac", "aac":
		return "audio/" + first
	}
	return anything
}
