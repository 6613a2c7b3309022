package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/subtitles"
)

// videoExtensions decide, by name alone, which files count as videos; video.IsSound names those
// that have only sound. Playlists are
// included so that they are refused with an error instead of skipped.
var videoExtensions = []string{ //nolint:gochecknoglobals // a constant table
	".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
	".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv",
	".m3u8", ".mpd",
}

// isMedia reports whether a file with this extension is listed.
func isMedia(extension string) bool {
	return slices.Contains(videoExtensions, strings.ToLower(extension)) || video.IsSound(extension)
}

var manifestExtensions = []string{"", ".list", ".lst", ".manifest", ".txt"} //nolint:gochecknoglobals // a constant table

// List yields URIs; local files have file:// URIs. A directory yields the entries whose
// names have a video extension, sorted by path, and skips the rest and hidden entries. Subtitles are
// not counted as skipped: Beside finds them.
// Directories and dangling links with a video extension are yielded too, so that they
// fail visibly. Linked directories are not entered. A video yields itself, and a text
// file is read as a manifest. A prefix of a bucket, which ends in a slash, is listed like
// a directory. Web servers have no listing.
func (s *Sources) List(ctx context.Context, t tenant.ID, source string, recursive bool, yield func(uri string) error) (skipped int, err error) {
	const op = "list source"
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if at, remote, err := parseRemote(op, source); err != nil {
		return 0, err
	} else if remote {
		return s.listRemote(ctx, t, at, recursive, yield)
	}
	path, err := parse(op, source)
	if err != nil {
		return 0, err
	}
	f, err := s.open(op, t, path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, explain(op, path, err)
	}
	switch extension := strings.ToLower(filepath.Ext(path)); {
	case info.IsDir():
		l := lister{sources: s, tenant: t, recursive: recursive, yield: yield}
		err := l.directory(ctx, f, path)
		return l.skipped, err
	case isMedia(extension):
		return 0, yield(toURI(path))
	case slices.Contains(manifestExtensions, extension):
		return 0, readManifest(ctx, f, path, resolveLine(path), yield)
	default:
		return 0, fault.New(fault.Input, op, path, "must be a directory, a video ("+
			strings.Join(videoExtensions, " ")+") or a manifest (.txt .list .lst .manifest)")
	}
}

type lister struct {
	sources   *Sources
	tenant    tenant.ID
	recursive bool
	yield     func(uri string) error
	skipped   int
}

func (l *lister) directory(ctx context.Context, f *os.File, dir string) error {
	names, err := l.names(ctx, f, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		if !strings.HasSuffix(name, "/") {
			err = l.yield(toURI(path))
		} else {
			err = l.below(ctx, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// below lists a subdirectory. If it cannot be read, the listing continues: the
// subdirectory itself is yielded, and opening it returns the error.
func (l *lister) below(ctx context.Context, path string) error {
	f, err := l.sources.open("list source", l.tenant, path)
	if fault.ClassOf(err) == fault.Input {
		return l.yield(toURI(path))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return l.directory(ctx, f, path)
}

// names returns the entries to yield and, with a slash at the end, the directories to
// enter, sorted by path.
func (l *lister) names(ctx context.Context, f *os.File, dir string) ([]string, error) {
	var names []string
	for {
		entries, err := f.ReadDir(1024)
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, explain("list source", dir, err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, e := range entries {
			hidden := strings.HasPrefix(e.Name(), ".")
			switch {
			case !hidden && isMedia(filepath.Ext(e.Name())):
				names = append(names, e.Name())
			case !e.IsDir() && !subtitles.IsName(e.Name()):
				l.skipped++
			case e.IsDir() && !hidden && l.recursive:
				names = append(names, e.Name()+"/")
			}
		}
	}
}
