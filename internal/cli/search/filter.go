package search

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// groupSize is how many hits of a video --group shows by default.
const groupSize = 3

// filterFlags are the flags that narrow a search.
type filterFlags struct {
	video.Filter
	from, to string
	kinds    []string
	group    bool
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.Videos, "video", nil, "search this video only: its file name or SHA-256; can be repeated")
	flags.StringVar(&f.from, "from", "", "search from this time of each video on, such as 90s, 1:30 or 1:02:03.5")
	flags.StringVar(&f.to, "to", "", "search up to this time of each video")
	flags.StringArrayVar(&f.kinds, "kind", nil, "search this kind only: frame, speech (in videos) or audio (speech in files without pictures); can be repeated")
	flags.StringArrayVar(&f.Languages, "language", nil, "search speech in this language only, such as en; can be repeated")
	flags.IntVar(&f.PerVideo, "per-video", 0, "maximum number of hits of one video (default: no limit)")
	flags.BoolVar(&f.group, "group", false, fmt.Sprintf("list the hits by video, %d of each unless --per-video is set", groupSize))
}

// read returns the filter of the flags.
func (f *filterFlags) read() (out video.Filter, err error) {
	out = f.Filter
	if out.FromMS, err = position("from", f.from); err != nil {
		return out, err
	}
	if out.ToMS, err = position("to", f.to); err != nil {
		return out, err
	}
	for _, k := range f.kinds {
		if err := cli.CheckOneOf("kind", k, kinds()); err != nil {
			return out, err
		}
		out.Kinds = append(out.Kinds, video.Kind(k))
	}
	if f.group && out.PerVideo == 0 {
		out.PerVideo = groupSize
	}
	switch {
	case out.ToMS != 0 && out.ToMS <= out.FromMS:
		return out, cli.Usage("--to must be later than --from")
	case out.PerVideo < 0:
		return out, cli.Usage("--per-video must not be negative")
	}
	return out, out.Check()
}

func kinds() (out []string) {
	for _, k := range video.Kinds() {
		out = append(out, string(k))
	}
	return out
}

// position reads a time in a video, in milliseconds: a duration, or numbers with colons.
func position(flag, text string) (ms int64, err error) {
	if text == "" {
		return 0, nil
	}
	bad := cli.Usage("--%s must be a time such as 90s, 1:30 or 1:02:03.5, of at most 1000 hours, not %q", flag, text)
	if !strings.Contains(text, ":") {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > 1000*time.Hour {
			return 0, bad
		}
		return d.Milliseconds(), nil
	}
	parts := strings.Split(text, ":")
	seconds := 0.0
	for i, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		whole := i < len(parts)-1
		if err != nil || strings.Trim(part, "0123456789.") != "" || whole && strings.Contains(part, ".") || i > 0 && n >= 60 || n > 1000 {
			return 0, bad
		}
		seconds = seconds*60 + n
	}
	if len(parts) > 3 {
		return 0, bad
	}
	return int64(seconds*1000 + 0.5), nil
}

// byVideo lists the hits of each video together.
func byVideo(r ingest.SearchResult) (hits []video.Hit) {
	for _, g := range r.Groups().Videos {
		hits = append(hits, g.Hits...)
	}
	return hits
}
