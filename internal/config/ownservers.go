package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/ownserver"
)

// takeServers sets the model servers that the worker starts on demand. It runs after
// takeEndpoints.
func (c *Config) takeServers(s section) (problems Problems) {
	bad := func(place, text, fix string) {
		problems = append(problems, Problem{Place: place, Text: text, Fix: fix})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Servers)) {
		c.Servers = append(c.Servers, s.Servers[name].Server(name))
		s.Servers[name].Check(name, func(key, text, fix string) { bad(strings.TrimSuffix("cogflow.servers."+name+"."+key, "."), text, fix) })
	}
	for _, e := range c.Endpoints {
		_, known := s.Servers[e.OwnServer]
		switch place := "cogflow.endpoints." + e.Name; {
		case e.OwnServer == "":
		case !known:
			bad(place+".server", "not one of cogflow.servers", "name one of them")
		case !ownserver.Local(e.URL):
			bad(place+".url", "not on this host, where its server is started", "write it like http://127.0.0.1:8000/v1")
		}
	}
	return problems
}
