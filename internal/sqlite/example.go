package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Vector is the embedding of a document that searches see.
func (x *Index) Vector(ctx context.Context, t tenant.ID, profile, document string) (e video.Embedding, err error) {
	var stored []byte
	err = x.db.View(ctx, opSearch, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT d.embedding FROM scope s JOIN generation g ON g.scope = s.id
			JOIN document d ON d.generation = g.id AND d.id <= g.published
			WHERE s.tenant=? AND s.profile=? AND d.doc=?`, string(t), profile, document).Scan(&stored)
		if errors.Is(err, sql.ErrNoRows) {
			return index.NoDocument(profile, document)
		}
		return err
	})
	if err != nil {
		return e, err
	}
	if err := e.UnmarshalBinary(stored); err != nil {
		return e, fmt.Errorf("%w: document %q: %v", dbfile.ErrDamaged, document, err) //nolint:errorlint // its class does not apply here
	}
	return e, nil
}
