// Package uploads takes files of any size over HTTP, in pieces that can be repeated, as tus 1.0
// describes it. Its state is in the object store, so each piece can reach another gateway. A file
// is only bytes here: it is neither opened nor unpacked. The package knows no job.
package uploads

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/object"
)

// Store holds objects.
type Store interface {
	PutContent(ctx context.Context, key string, c object.Content) (object.Info, error)
	Create(ctx context.Context, key string, r io.Reader) (object.Info, error)
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	Stat(ctx context.Context, key string) (object.Info, error)
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	Delete(ctx context.Context, key string) error
	Owners(ctx context.Context) ([]string, error)
}

// API has the routes.
type API struct {
	Store func(context.Context) (Store, error) // opens it, or returns the open one
	Most  int64                                // bytes of one file
	Open  int                                  // uploads of a tenant that are not complete
	For   time.Duration                        // of an upload that is not complete
	Log   *slog.Logger
	Now   func() time.Time // nil = time.Now
}

// Codes of errors that clients handle.
const (
	CodeNoUpload = "upload_not_found"
	CodeOffset   = "wrong_offset"      // ask for the offset and go on there
	CodeChecksum = "checksum_mismatch" // the upload is over; begin again
	CodeTooMany  = "too_many_uploads"
	CodeFull     = "insufficient_storage"
)

const codePiece = "piece_too_large"

const (
	tag           = "uploads"
	version       = "1.0.0" // of tus
	maxDeclare    = 16 << 10
	octets        = "application/offset+octet-stream"
	headOffset    = "Upload-Offset"
	headLength    = "Upload-Length"
	headResumable = "Tus-Resumable"
)

// Upload is the state of an upload.
type Upload struct {
	ID       string    `json:"id,omitempty"`
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"`
	Offset   int64     `json:"offset" jsonschema:"bytes that are stored; the next piece begins here"`
	Complete bool      `json:"complete" jsonschema:"all bytes are stored, and they have the checksum"`
	URI      string    `json:"uri,omitempty" jsonschema:"what inputs of jobs take as uri or source; of a complete upload"`
	Expires  time.Time `json:"expires,omitzero" jsonschema:"when an upload that is not complete is removed"`
}

// Declaration begins an upload.
type Declaration struct {
	Name   string `json:"name" jsonschema:"file name without a folder; its ending says what kind of file it is"`
	Size   int64  `json:"size" jsonschema:"bytes"`
	SHA256 string `json:"sha256" jsonschema:"of the whole file, in hexadecimal"`
}

// Piece is some of the bytes of a file.
type Piece string

// Routes is the table of the package.
func (a *API) Routes() []api.Route {
	id := api.Param{Name: "id", Text: "id of the upload"}
	offset := api.Param{Name: headOffset, Text: "where the piece begins: the number of bytes that are stored", Header: true}
	failures := []int{http.StatusNotFound, http.StatusBadGateway, http.StatusInsufficientStorage}
	route := func(method, path, name, summary string, handle api.Handler) api.Route {
		return api.Route{
			Method: method, Path: path, Name: name, Tag: tag, Summary: summary, Query: []api.Param{id}, Response: Upload{},
			Errors: append([]int{}, failures...), Handle: handle,
		}
	}
	begin := route(http.MethodPost, "/uploads", "beginUpload", "Declare a file", a.begin)
	begin.Query, begin.Request, begin.Status, begin.MaxBody = nil, Declaration{}, http.StatusCreated, maxDeclare
	begin.Errors = []int{http.StatusBadGateway, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusInsufficientStorage}
	piece := func(method, name string) api.Route {
		r := route(method, "/uploads/{id}", name, "Store bytes from an offset on; the last piece checks the file", a.piece)
		r.Query = append(r.Query, offset)
		r.Request, r.RequestMedia, r.MaxBody = Piece(""), octets, a.Most
		r.Errors = append(r.Errors, http.StatusConflict, http.StatusUnprocessableEntity)
		return r
	}
	drop := route(http.MethodDelete, "/uploads/{id}", "dropUpload", "Remove an upload that is not complete", a.drop)
	return []api.Route{
		begin, piece(http.MethodPatch, "storePiece"), piece(http.MethodPut, "putPiece"), drop,
		route(http.MethodGet, "/uploads/{id}", "getUpload", "State of an upload; HEAD answers Upload-Offset", a.show),
	}
}

func (a *API) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (a *API) begin(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	in, err := declared(r)
	if err != nil {
		return err
	}
	if err := in.check(a.Most); err != nil {
		return err
	}
	store, err := a.Store(r.Context())
	if err != nil {
		return err
	}
	s := session{store: store, tenant: c.Tenant, Declaration: in, Expires: a.now().Add(a.For).UTC()}
	if there, err := s.stored(r.Context()); err != nil {
		return err
	} else if there {
		return a.answer(w, http.StatusCreated, s.done())
	}
	open, _, err := sweep(r.Context(), store, c.Tenant, a.now())
	if err != nil {
		return err
	}
	if len(open) >= a.Open {
		return &api.Error{
			Status: http.StatusTooManyRequests, Code: CodeTooMany, RetryAfter: time.Minute,
			Message: "the tenant has as many open uploads as it may have; complete or DELETE one",
		}
	}
	if err := hasRoom(store, in.Size); err != nil {
		return err
	}
	if err := s.create(r.Context()); err != nil {
		return told(err)
	}
	a.Log.Info("upload began", append(c.Attrs(), slog.String("upload", s.id), slog.Int64("size", in.Size), slog.String("sha256", in.SHA256))...)
	if in.Size == 0 {
		u, err := a.complete(r.Context(), s, c)
		if err != nil {
			return err
		}
		return a.answer(w, http.StatusCreated, u)
	}
	w.Header().Set("Location", "/uploads/"+url.PathEscape(s.id))
	return a.answer(w, http.StatusCreated, s.state(0))
}

func (a *API) answer(w http.ResponseWriter, status int, u Upload) error {
	h := w.Header()
	setState(h, u)
	h.Set("Cache-Control", "no-store")
	api.WriteJSON(w, status, u)
	return nil
}

func (a *API) show(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	s, err := a.find(r, c)
	if err != nil {
		return err
	}
	offset, err := s.offset(r.Context())
	if err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, s.state(offset))
}

func (a *API) find(r *http.Request, c api.Caller) (session, error) {
	store, err := a.Store(r.Context())
	if err != nil {
		return session{}, err
	}
	return load(r.Context(), store, c.Tenant, r.PathValue("id"), a.now())
}

func (a *API) drop(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	s, err := a.find(r, c)
	if err != nil {
		return err
	}
	if err := s.remove(r.Context()); err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, s.state(0))
}

// piece stores what arrives, also if the connection breaks: the client goes on where it broke.
func (a *API) piece(w http.ResponseWriter, r *http.Request, c api.Caller) error {
	s, err := a.find(r, c)
	if err != nil {
		return err
	}
	at, err := offsetOf(r)
	if err != nil {
		return err
	}
	offset, err := s.offset(r.Context())
	if err != nil {
		return err
	}
	if at != offset {
		w.Header().Set(headOffset, number(offset))
		return api.Fail(http.StatusConflict, CodeOffset, "the piece must begin at "+number(offset)+", where the stored bytes end")
	}
	if offset, err = s.receive(r.Context(), offset, r.Body); err != nil {
		return told(err)
	}
	u := s.state(offset)
	if offset == s.Size {
		if u, err = a.complete(r.Context(), s, c); err != nil {
			return err
		}
	}
	return a.answer(w, http.StatusOK, u)
}

// complete checks an upload whose bytes are all stored, and makes it visible. A large one takes longer
// than some clients wait: it is completed without them, and a repetition finds it.
func (a *API) complete(ctx context.Context, s session, c api.Caller) (Upload, error) {
	ctx = context.WithoutCancel(ctx)
	there, err := s.stored(ctx)
	if err == nil && !there {
		err = s.compose(ctx)
	}
	if err != nil {
		if errors.Is(err, object.ErrMismatch) {
			a.Log.Warn("refused: an upload does not have its checksum", append(c.Attrs(), slog.String("upload", s.id))...)
			return Upload{}, errors.Join(api.Fail(http.StatusUnprocessableEntity, CodeChecksum,
				"the bytes do not have the declared SHA-256; nothing was kept: begin again"), s.remove(ctx))
		}
		return Upload{}, told(err)
	}
	a.Log.Info("upload complete", append(c.Attrs(), slog.String("upload", s.id), slog.String("sha256", s.SHA256))...)
	return s.done(), s.remove(ctx)
}

func decode(r io.Reader, into any) error { return json.NewDecoder(r).Decode(into) }
