package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const opUpsert = "index documents"

// Upsert stores documents by id within their generation, either all or none. New
// documents are invisible until Publish. A document that is visible already is
// replaced in place.
func (x *Index) Upsert(ctx context.Context, docs []video.Document) error {
	for _, d := range docs {
		if err := checkDocument(d); err != nil {
			return err
		}
	}
	if len(docs) == 0 {
		return nil
	}
	return x.db.Update(ctx, opUpsert, func(tx *sql.Tx) error {
		// The transaction watches ctx. To watch it in each statement as well
		// would cost more than the statement.
		quick := context.WithoutCancel(ctx)
		b := batch{tx: tx, generations: map[generationKey]*generation{}}
		if err := b.prepare(quick); err != nil {
			return err
		}
		for _, d := range docs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := b.put(quick, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkDocument(d video.Document) error {
	switch {
	case d.ID == "" || d.Tenant == "" || d.Profile == "" || d.Video == "" || d.Generation == "":
		return fault.New(fault.Input, opUpsert, d.ID, "a document needs an id, tenant, profile, video and generation")
	}
	if err := d.Embedding.Check(); err != nil {
		return &fault.Error{Class: fault.Input, Op: opUpsert, Subject: d.ID, Err: err}
	}
	return nil
}

type generationKey struct {
	tenant     tenant.ID
	profile    string
	video      video.ID
	generation video.Fingerprint
}

type generation struct {
	id, scope int64
	encoding  string
	dim       int
	published sql.NullInt64
}

// openGeneration finds or creates a generation.
func openGeneration(ctx context.Context, tx *sql.Tx, k generationKey) (*generation, error) {
	scope, err := openScope(ctx, tx, k.tenant, k.profile)
	if err != nil {
		return nil, err
	}
	g := &generation{scope: scope}
	find := func() error {
		return tx.QueryRowContext(ctx, `SELECT id, encoding, dim, published FROM generation
			WHERE scope=? AND video=? AND generation=?`, scope, string(k.video), string(k.generation)).
			Scan(&g.id, &g.encoding, &g.dim, &g.published)
	}
	err = find()
	if !errors.Is(err, sql.ErrNoRows) {
		return g, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO generation (scope, video, generation) VALUES (?, ?, ?)",
		scope, string(k.video), string(k.generation))
	if err != nil {
		return nil, err
	}
	return g, find()
}

// batch is one write transaction.
type batch struct {
	tx          *sql.Tx
	insert      *sql.Stmt
	generations map[generationKey]*generation
}

func (b *batch) prepare(ctx context.Context) (err error) {
	b.insert, err = b.tx.PrepareContext(ctx, `INSERT INTO document (generation, doc, uri, name, pts_ms, start_ms, end_ms,
		caption, on_screen_text, transcript, frame_key, preview, embedding, kind, language)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING`)
	return err
}

func (b *batch) put(ctx context.Context, d video.Document) error {
	if d.Multi && d.Embedding.Dim%8 == 0 {
		d.Embedding = d.Embedding.Binary() // several vectors are stored as bits: 32 times smaller, with a similar ranking
	}
	g, err := b.generation(ctx, d)
	if err != nil {
		return err
	}
	embedding, err := d.Embedding.MarshalBinary()
	if err != nil {
		return err
	}
	values := []any{
		g.id, d.ID, d.URI, d.Name, d.PTSMS, d.StartMS, d.EndMS,
		d.Caption, d.OnScreenText, d.Transcript, d.FrameKey, d.Preview, embedding, string(d.Kind), d.Language,
	}
	done, err := b.insert.ExecContext(ctx, values...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return b.replace(ctx, g, values)
}

// replace overwrites a stored document if it differs.
func (b *batch) replace(ctx context.Context, g *generation, values []any) error {
	var id int64
	err := b.tx.QueryRowContext(ctx, `UPDATE document SET uri=?3, name=?4, pts_ms=?5, start_ms=?6, end_ms=?7,
		caption=?8, on_screen_text=?9, transcript=?10, frame_key=?11, preview=?12, embedding=?13, kind=?14, language=?15
		WHERE generation=?1 AND doc=?2
		AND (uri, name, pts_ms, start_ms, end_ms, caption, on_screen_text, transcript, frame_key, preview, embedding,
		kind, language) IS NOT (?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) RETURNING id`, values...).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case !g.published.Valid || id > g.published.Int64:
		return nil
	}
	if _, err := b.tx.ExecContext(ctx, "DELETE FROM "+wordsTable(g.scope)+" WHERE rowid=?", id); err != nil {
		return err
	}
	if err := addWords(ctx, b.tx, g.scope, "id=?", id); err != nil {
		return err
	}
	version, err := touch(ctx, b.tx, g.scope)
	if err != nil {
		return err
	}
	_, err = b.tx.ExecContext(ctx, "UPDATE generation SET revision=? WHERE id=?", version, g.id)
	return err
}

// generation returns the document's generation, whose embeddings all have one
// encoding and dimension: that of the first document.
func (b *batch) generation(ctx context.Context, d video.Document) (*generation, error) {
	key := generationKey{d.Tenant, d.Profile, d.Video, d.Generation}
	g := b.generations[key]
	if g == nil {
		var err error
		if g, err = openGeneration(ctx, b.tx, key); err != nil {
			return nil, err
		}
		b.generations[key] = g
	}
	encoding := encodingOf(d.Embedding)
	if g.encoding == "" {
		g.encoding, g.dim = encoding, d.Embedding.Dim
		_, err := b.tx.ExecContext(ctx, "UPDATE generation SET encoding=?, dim=? WHERE id=?", g.encoding, g.dim, g.id)
		return g, err
	}
	if g.encoding != encoding || g.dim != d.Embedding.Dim {
		return nil, fault.New(fault.Input, opUpsert, d.ID, "its embedding is "+shapeName(encoding, d.Embedding.Dim)+
			", but the other embeddings of its generation are "+shapeName(g.encoding, g.dim))
	}
	return g, nil
}

const (
	floatRows = "f"
	bitRows   = "b"
)

func encodingOf(e video.Embedding) string {
	if e.Bits != nil {
		return bitRows
	}
	return floatRows
}

func shapeName(encoding string, dim int) string {
	if encoding == bitRows {
		return strconv.Itoa(dim) + " bits"
	}
	return strconv.Itoa(dim) + " floats"
}
