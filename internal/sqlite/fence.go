package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Fence records the number of a claim. From then on, Publish refuses generations with a
// lower claim number, in the publishing transaction. Fence returns the highest recorded
// number. With 0 it only reads, which works on a locked or full file too.
func (x *Index) Fence(ctx context.Context, t tenant.ID, profile string, v video.ID, claim int64) (held int64, err error) {
	if claim == 0 {
		err = x.db.View(ctx, "claim video", func(tx *sql.Tx) error {
			return tx.QueryRowContext(ctx, `SELECT coalesce(max(f.claim), 0) FROM fence f JOIN scope s ON s.id = f.scope
				WHERE s.tenant=? AND s.profile=? AND f.video=?`, string(t), profile, string(v)).Scan(&held)
		})
		return held, err
	}
	err = x.db.Update(ctx, "claim video", func(tx *sql.Tx) error {
		scope, err := openScope(ctx, tx, t, profile)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `INSERT INTO fence (scope, video, claim) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET claim=max(claim, excluded.claim) RETURNING claim`,
			scope, string(v), claim).Scan(&held)
	})
	return held, err
}

// checkFence refuses a publication if a later claim has replaced its own. Publications of
// older builds have no claim number and are accepted.
func checkFence(ctx context.Context, tx *sql.Tx, scope int64, g video.Generation) error {
	if g.Claim == 0 {
		return nil
	}
	var held int64
	err := tx.QueryRowContext(ctx, "SELECT claim FROM fence WHERE scope=? AND video=?", scope, string(g.Video)).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) || err == nil && held <= g.Claim {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.New(fault.Input, "publish video", g.Name, "another workflow has claimed the video since; nothing is changed")
}
