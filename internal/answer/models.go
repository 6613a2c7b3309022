package answer

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

// Models lists the models that a server reports at an address that ends in /models. Only
// their ids are read. header replaces the key's header.
func (c *Client) Models(ctx context.Context, url string, header http.Header) (ids []string, err error) {
	var list struct {
		Data []struct {
			ID json.RawMessage `json:"id"`
		} `json:"data"`
	}
	if err := c.get(ctx, url, header, &list); err != nil {
		return nil, err
	}
	for _, m := range list.Data {
		var id string
		if json.Unmarshal(m.ID, &id) == nil {
			ids = append(ids, c.options.Redactor.Keys(id))
		}
	}
	return ids, nil
}

// CheckServed reports which of the models a server does not serve.
func CheckServed(served, models []string) error {
	for _, model := range models {
		if !slices.Contains(served, model) {
			return fault.New(fault.Input, "check endpoint", model, "the server does not serve it; it serves "+safetext.Line(strings.Join(served, ", "), safetext.MaxReason))
		}
	}
	return nil
}
