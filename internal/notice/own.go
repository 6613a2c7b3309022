package notice

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"
)

// url asks a service of the operator: status 404 or 204 is no notice, 200 is one.
func (w *Watcher) url(ctx context.Context) (*Notice, error) {
	status, body, _, err := w.request(ctx, http.MethodGet, w.o.From)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound || status == http.StatusNoContent:
		return nil, nil //nolint:nilnil // there is no notice
	case status == http.StatusOK:
		return w.own(body)
	default:
		return nil, wrong("status %d", status)
	}
}

// file looks for a file: it is a notice as soon as it exists.
func (w *Watcher) file(context.Context) (*Notice, error) {
	f, err := os.Open(w.o.From)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is no notice
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxAnswer))
	if err != nil {
		return nil, wrong("%w", err)
	}
	return w.own(body)
}

// own reads a notice of the operator: empty, a time, or an object as AWS writes it. Text that
// cannot be read is a notice, too: whoever wrote it wants the host to be left.
func (w *Watcher) own(body []byte) (*Notice, error) {
	body = bytes.TrimSpace(body)
	if at, err := time.Parse(time.RFC3339, string(body)); err == nil {
		return w.notice("", at), nil
	}
	if n, err := w.said(body); err == nil {
		return n, nil
	}
	return w.notice(string(body), time.Time{}), nil
}
