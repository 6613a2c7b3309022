package sqlite

import (
	"context"
	"database/sql"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

const defaultPage = 100

// Published lists visible generations ordered by (profile, name, video, tenant).
func (x *Index) Published(ctx context.Context, f video.PublishedFilter) (found []video.Generation, err error) {
	if f.Limit == 0 {
		f.Limit = defaultPage
	}
	if f.Limit < 0 || f.Offset < 0 {
		return nil, fault.New(fault.Input, "list videos", "", "limit and offset must not be negative")
	}
	err = x.db.View(ctx, "list videos", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT s.tenant, s.profile, g.video, g.generation, g.documents,
			g.uri, g.name, g.duration_ms FROM generation g JOIN scope s ON s.id = g.scope
			WHERE g.published IS NOT NULL
			AND (?1='' OR s.tenant=?1) AND (?2='' OR s.profile=?2) AND (?3='' OR g.video=?3) AND (?6='' OR g.name=?6)
			ORDER BY s.profile, g.name, g.video, s.tenant LIMIT ?4 OFFSET ?5`,
			string(f.Tenant), f.Profile, string(f.Video), f.Limit, f.Offset, f.Name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g video.Generation
			err := rows.Scan(&g.Tenant, &g.Profile, &g.Video, &g.Generation, &g.Documents, &g.URI, &g.Name, &g.DurationMS)
			if err != nil {
				return err
			}
			found = append(found, g)
		}
		return rows.Err()
	})
	return found, err
}
