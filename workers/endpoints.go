package main

import (
	"cmp"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/internal/limit/memory"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/parameters"
)

// modelServers groups endpoints by server, which is an address and a key. All models and
// stages that use a server share its concurrency limit.
type modelServers struct {
	limits  map[string]*limit.Limit     // by server
	byCall  map[string]string           // server by kind and model of a call
	params  map[string]*params.Endpoint // parameters that models refuse, by endpoint
	memory  *params.Memory              // of these
	learned *memory.Memory              // of limits
}

func serversOf(c config.Config) modelServers {
	s := modelServers{limits: map[string]*limit.Limit{}, byCall: map[string]string{}, memory: &params.Memory{}, learned: memory.New()}
	s.params = parameters.Of(c, s.memory)
	options, names := map[string]limit.Options{}, map[string]string{}
	add := func(e config.Endpoint) {
		id := e.Server()
		names[id] = cmp.Or(names[id], e.Name)
		o, known := options[id]
		if e.Kind == config.Transcriptions {
			o.Start = 2 // an audio segment is ten minutes long
		} else if known {
			o.Start = 0
		}
		if e.MaxInFlight > 0 && (!o.Fixed || e.MaxInFlight < o.Max) {
			o.Max, o.Fixed = e.MaxInFlight, true
		}
		options[id] = o
	}
	serves := func(kind, model string, e config.Endpoint) {
		if _, taken := s.byCall[kind+" "+model]; !taken { // the first endpoint takes precedence
			s.byCall[kind+" "+model] = e.Server()
		}
	}
	for _, e := range c.Endpoints {
		add(e)
		for _, model := range e.Models {
			switch askedBy(e.Kind) {
			case partTranscribers:
				serves(video.KindTranscribe, model, e)
			case partEmbedders:
				serves(video.KindEmbed, of(model, video.OfCaption), e)
				if e.Kind == config.Pooling {
					serves(video.KindEmbed, of(model, video.OfFrame), e)
				}
			default:
				serves(video.KindDescribe, model, e)
			}
		}
	}
	for _, e := range c.Chat() {
		add(e)
		for _, model := range e.Models {
			serves(optimize.KindComplete, model, e)
		}
	}
	for id, o := range options {
		s.limits[id] = limit.New(o)
		s.learned.Add(id, names[id], s.limits[id])
	}
	return s
}

// limit returns the concurrency limit of the server of an endpoint.
func (s modelServers) limit(e config.Endpoint) *limit.Limit { return s.limits[e.Server()] }

// called returns the server of a call that is about to be made. Its limit then starts with what
// was learned before.
func (s modelServers) called(c video.PaidCall) string {
	id := s.of(c)
	s.learned.Called(id, c.Model)
	return id
}

// of returns the server of a call.
func (s modelServers) of(c video.PaidCall) string {
	model := c.Model
	if c.Kind == video.KindEmbed {
		model = of(c.Model, c.Of)
	}
	if id, ok := s.byCall[c.Kind+" "+model]; ok {
		return id
	}
	return c.Kind + " " + c.Model // a built-in model
}
