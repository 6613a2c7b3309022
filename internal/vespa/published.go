package vespa

import (
	"cmp"
	"context"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vespa/exact"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const defaultPage = 100

// Published lists visible generations ordered by (profile, name, video, tenant).
func (x *Index) Published(ctx context.Context, f video.PublishedFilter) ([]video.Generation, error) {
	const op = "list videos"
	f.Limit = cmp.Or(f.Limit, defaultPage)
	if f.Limit < 0 || f.Offset < 0 {
		return nil, fault.New(fault.Input, op, "", "limit and offset must not be negative")
	}
	// The documents of one tenant may fill the whole page.
	each := f
	if f.Tenant == "" {
		each.Offset, each.Limit = 0, f.Offset+f.Limit
	}
	var all []video.Generation
	for _, t := range x.layout.tenants {
		if f.Tenant != "" && t != f.Tenant {
			continue
		}
		rows, err := x.generations(ctx, op, t, each)
		if err != nil {
			return nil, err
		}
		for _, row := range newest(rows) {
			g, err := row.generation()
			if err != nil {
				return nil, err
			}
			all = append(all, g)
		}
	}
	if f.Tenant != "" {
		return all, nil
	}
	slices.SortStableFunc(all, func(a, b video.Generation) int {
		return cmp.Or(cmp.Compare(a.Profile, b.Profile), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Video, b.Video), cmp.Compare(a.Tenant, b.Tenant))
	})
	all = all[min(f.Offset, len(all)):]
	return all[:min(f.Limit, len(all))], nil
}

// generations reads published parents of one tenant, page by page.
func (x *Index) generations(ctx context.Context, op string, t tenant.ID, f video.PublishedFilter) ([]generationFields, error) {
	where := "published = 1 and tenant contains @tenant"
	parameters := map[string]any{"tenant": string(t)}
	if f.Profile != "" {
		where += " and profile contains @of"
		parameters["of"] = f.Profile
	}
	if f.Video != "" {
		where += " and video_id contains @video"
		parameters["video"] = string(f.Video)
	}
	if f.Name != "" {
		where += " and name contains @name"
		parameters["name"] = exact.Clean(f.Name)
	}
	var rows []generationFields
	for len(rows) < f.Limit {
		answer, err := x.ask(ctx, query{
			op: op, subject: string(t), yql: "select * from " + GenerationType(t) + " where " + where, parameters: parameters,
			profile: "unranked", sorting: "+raw(profile) +raw(name) +raw(video_id) +raw(generation)",
			offset: f.Offset + len(rows), hits: min(page, f.Limit-len(rows)),
		})
		if err != nil {
			return nil, err
		}
		for _, h := range answer.hits {
			var row generationFields
			if err := h.decode(op, &row); err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		if len(answer.hits) < page {
			break
		}
	}
	return rows, nil
}

// newest drops the older of two generations of a video during its publication.
func newest(rows []generationFields) []generationFields {
	type key struct{ profile, video string }
	latest := map[key]int64{}
	for _, row := range rows {
		k := key{row.Profile, row.VideoID}
		latest[k] = max(latest[k], row.Created)
	}
	return slices.DeleteFunc(rows, func(row generationFields) bool {
		return row.Created < latest[key{row.Profile, row.VideoID}]
	})
}

func (f generationFields) generation() (video.Generation, error) {
	name, err := exact.Restore(f.Verbatim, "name", f.Name)
	if err != nil {
		return video.Generation{}, err
	}
	uri, err := exact.Restore(f.Verbatim, "uri", f.URI)
	return video.Generation{
		Tenant: tenant.ID(f.Tenant), Profile: f.Profile, Video: video.ID(f.VideoID), Generation: video.Fingerprint(f.Generation),
		Documents: f.Documents, URI: uri, Name: name, DurationMS: f.DurationMS,
	}, err
}
