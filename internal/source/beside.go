package source

import (
	"context"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/s3"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/subtitles"
)

const opBeside = "look beside video"

// Beside returns the name of a video, and the videos and subtitles in its folder whose names begin with that name
// without its extension. There are none where a folder has no listing, or the worker may not list it: a video
// needs no file beside it.
func (s *Sources) Beside(ctx context.Context, t tenant.ID, uri string) (name string, files []video.Neighbour, err error) {
	at, remote, err := parseRemote(opBeside, uri)
	switch {
	case err != nil:
		return "", nil, err
	case remote && at.scheme != "s3":
		return at.base(), nil, nil
	case remote:
		name = at.base()
		if err = s.permit(opBeside, t, at); err == nil {
			files, err = s.s3.beside(ctx, at)
		}
	default:
		var file string
		if file, err = parse(opBeside, uri); err == nil {
			name = filepath.Base(file)
			files, err = s.inDirectory(ctx, t, filepath.Dir(file), stem(name))
		}
	}
	if class := fault.ClassOf(err); class == fault.Input || class == fault.Auth {
		return name, nil, nil // opening the video tells what is wrong
	}
	return name, files, err
}

// stem is what the names of files beside a video begin with.
func stem(name string) string { return strings.TrimSuffix(name, path.Ext(name)) + "." }

func isNeighbour(name string) bool { return subtitles.IsName(name) || isMedia(path.Ext(name)) }

// inDirectory lists files of a local directory whose names have a prefix.
func (s *Sources) inDirectory(ctx context.Context, t tenant.ID, dir, prefix string) (files []video.Neighbour, err error) {
	f, err := s.open(opBeside, t, dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1024)
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, explain(opBeside, dir, err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), prefix) && isNeighbour(e.Name()) && !e.IsDir() {
				files = append(files, video.Neighbour{URI: toURI(filepath.Join(dir, e.Name())), Name: e.Name(), Bytes: -1})
			}
		}
	}
}

// beside lists the objects beside another one.
func (b *bucketReader) beside(ctx context.Context, at location) (files []video.Neighbour, err error) {
	client, err := b.reach(ctx)
	if err != nil {
		return nil, err
	}
	folder := strings.TrimSuffix(at.path, at.base())
	prefix := folder + stem(at.base())
	in := &sdk.ListObjectsV2Input{Bucket: &at.host, Prefix: &prefix, Delimiter: aws.String("/")}
	for pages := sdk.NewListObjectsV2Paginator(client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s3.Fault(ctx, opBeside, at.String(), err)
		}
		for _, o := range page.Contents {
			if name := strings.TrimPrefix(aws.ToString(o.Key), folder); isNeighbour(name) {
				files = append(files, video.Neighbour{
					URI: location{scheme: "s3", host: at.host, path: folder + name}.uri(), Name: name, Bytes: aws.ToInt64(o.Size),
				})
			}
		}
	}
	return files, nil
}
