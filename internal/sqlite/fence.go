package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Fence notes the number of a claim. From then on Publish refuses what comes under
// a lower one, in the transaction that would publish it. It returns the highest
// number that was noted. With 0 it only reads, which a locked or full file allows.
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

// checkFence refuses a publication under a claim that a later one has replaced. One
// of a build that knows no numbers is taken: it is not behind what it knows nothing of.
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
