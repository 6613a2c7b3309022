package fleet

import (
	"slices"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
)

// Best is where a server is started: the host where it runs, or is about to, else the first one that can
// start it. There must be one.
func Best(all []Server) (Server, error) {
	usable := slices.DeleteFunc(slices.Clone(all), func(s Server) bool { return s.State == StateUnusable })
	if len(usable) == 0 {
		return Server{}, fault.New(fault.Input, "start model server", all[0].Server, "it cannot start on "+all[0].Host+": "+all[0].Detail)
	}
	return slices.MaxFunc(usable, func(a, b Server) int { return Rank(a.State) - Rank(b.State) }), nil
}

// Released sums up what the processes of a host did: one of them owned the server.
func Released(all []activities.ReleasedServer) (out activities.ReleasedServer) {
	for i, one := range all {
		if i == 0 || Rank(one.Was) > Rank(out.Was) {
			one.Cut += out.Cut
			out = one
		} else {
			out.Cut += one.Cut
		}
	}
	return out
}
