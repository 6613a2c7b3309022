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

// Publish makes the documents of g visible and removes those of every other generation
// of its video and profile, in one transaction. If the index does not hold exactly
// g.Documents documents, Publish fails and changes nothing. Publishing g again updates
// only the name, URI and duration.
func (x *Index) Publish(ctx context.Context, g video.Generation) (removed int, err error) {
	if g.Tenant == "" || g.Profile == "" || g.Video == "" || g.Generation == "" {
		return 0, fault.New(fault.Input, "publish video", g.Name, "a generation needs a tenant, profile, video and fingerprint")
	}
	err = x.db.Update(ctx, "publish video", func(tx *sql.Tx) error {
		have, err := openGeneration(ctx, tx, generationKey{g.Tenant, g.Profile, g.Video, g.Generation})
		if err != nil {
			return err
		}
		if err := checkFence(ctx, tx, have.scope, g); err != nil {
			return err
		}
		var documents int
		var last int64
		err = tx.QueryRowContext(ctx, "SELECT count(*), coalesce(max(id), 0) FROM document WHERE generation=?", have.id).
			Scan(&documents, &last)
		if err != nil {
			return err
		}
		if documents != g.Documents {
			return &fault.Error{
				Class: fault.Input, Op: "publish video", Subject: g.Name, Err: video.ErrIncomplete, Reason: "the index holds " + strconv.Itoa(documents) +
					" documents of this generation, not the " + strconv.Itoa(g.Documents) + " expected ones; ingest the video again",
			}
		}
		removed, err = removeGenerations(ctx, tx, have.scope, "video=? AND id<>?", string(g.Video), have.id)
		if err != nil {
			return err
		}
		return show(ctx, tx, have, g, last)
	})
	if err != nil {
		return 0, err
	}
	return removed, x.verify(ctx, g)
}

// verify reads g in a new transaction, as another process would: a search must find it now.
func (x *Index) verify(ctx context.Context, g video.Generation) error {
	const op = "verify published video"
	return x.db.Fresh(ctx, op, func(tx *sql.Tx) error {
		var visible int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM scope s JOIN generation g ON g.scope = s.id
			JOIN document d ON d.generation = g.id AND d.id <= g.published
			WHERE s.tenant=? AND s.profile=? AND g.video=? AND g.generation=?`,
			string(g.Tenant), g.Profile, string(g.Video), string(g.Generation)).Scan(&visible)
		if err == nil && visible != g.Documents {
			return fault.New(fault.Transport, op, g.Name, "a search sees "+strconv.Itoa(visible)+" of "+strconv.Itoa(g.Documents)+" documents")
		}
		return err
	})
}

// show makes the documents up to the id last visible.
func show(ctx context.Context, tx *sql.Tx, have *generation, g video.Generation, last int64) error {
	if !have.published.Valid || have.published.Int64 != last {
		err := addWords(ctx, tx, have.scope, "generation=? AND id>?", have.id, have.published.Int64)
		if err != nil {
			return err
		}
		version, err := touch(ctx, tx, have.scope)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE generation SET published=?, revision=? WHERE id=?", last, version, have.id)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "UPDATE generation SET documents=?, uri=?, name=?, duration_ms=? WHERE id=?",
		g.Documents, g.URI, g.Name, g.DurationMS, have.id)
	return err
}

// removeGenerations removes the generations of a scope that match where and
// returns the number of removed documents.
func removeGenerations(ctx context.Context, tx *sql.Tx, scope int64, where string, args ...any) (removed int, err error) {
	matching := "SELECT id FROM generation WHERE scope=? AND " + where
	args = append([]any{scope}, args...)
	var visible bool
	err = tx.QueryRowContext(ctx, "SELECT count(published) > 0 FROM generation WHERE id IN ("+matching+")", args...).Scan(&visible)
	if err != nil {
		return 0, err
	}
	if visible {
		_, err := tx.ExecContext(ctx, "DELETE FROM "+wordsTable(scope)+` WHERE rowid IN (
			SELECT d.id FROM generation g JOIN document d ON d.generation = g.id AND d.id <= g.published
			WHERE g.id IN (`+matching+"))", args...)
		if err != nil {
			return 0, err
		}
		if _, err := touch(ctx, tx, scope); err != nil {
			return 0, err
		}
	}
	removed, err = remove(ctx, tx, "DELETE FROM document WHERE generation IN ("+matching+")", args...)
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM generation WHERE scope=? AND "+where, args...)
	return removed, err
}

func remove(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int, error) {
	done, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	n, err := done.RowsAffected()
	return int(n), err
}

// Discard removes the documents of a generation that are not visible: all documents of a
// generation that was never published, and none that a search can find.
func (x *Index) Discard(
	ctx context.Context, t tenant.ID, profile string, v video.ID, g video.Fingerprint,
) (removed int, err error) {
	err = x.db.Update(ctx, "discard documents", func(tx *sql.Tx) error {
		scope, _, err := scopeID(ctx, tx, t, profile)
		if err != nil || scope == 0 {
			return err
		}
		var id int64
		var published sql.NullInt64
		err = tx.QueryRowContext(ctx, "SELECT id, published FROM generation WHERE scope=? AND video=? AND generation=?",
			scope, string(v), string(g)).Scan(&id, &published)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		case published.Valid:
			removed, err = remove(ctx, tx, "DELETE FROM document WHERE generation=? AND id>?", id, published.Int64)
		default:
			removed, err = removeGenerations(ctx, tx, scope, "id=?", id)
		}
		return err
	})
	return removed, err
}

// DeleteVideo removes every generation of a video, published or not, from one
// profile or, if profile is empty, from all profiles of the tenant. It returns the
// number of removed documents.
func (x *Index) DeleteVideo(ctx context.Context, t tenant.ID, profile string, v video.ID) (removed int, err error) {
	err = x.db.Update(ctx, "delete video", func(tx *sql.Tx) error {
		scopes, err := scopesOf(ctx, tx, t, profile)
		if err != nil {
			return err
		}
		for _, scope := range scopes {
			n, err := removeGenerations(ctx, tx, scope, "video=?", string(v))
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

func scopesOf(ctx context.Context, tx *sql.Tx, t tenant.ID, profile string) (ids []int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT id FROM scope WHERE tenant=?1 AND (?2='' OR profile=?2) ORDER BY id",
		string(t), profile)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
