// Package upstream calls the model servers of the configuration for the routes of the gateway:
// through the broker, with failover between the servers of a model. It knows no route and no
// listener.
package upstream

import (
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/internal/config"
)

// Catalog is which endpoints serve a model.
type Catalog struct {
	byModel map[string][]config.Endpoint // in the order of the configuration
}

// NewCatalog reads the endpoints of a configuration.
func NewCatalog(c config.Config) *Catalog {
	out := &Catalog{byModel: map[string][]config.Endpoint{}}
	for _, e := range c.Endpoints {
		for _, model := range e.Models {
			out.byModel[model] = append(out.byModel[model], e)
		}
	}
	return out
}

// Models are the names of all models, sorted.
func (c *Catalog) Models() []string { return slices.Sorted(maps.Keys(c.byModel)) }
