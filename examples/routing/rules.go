package main

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// The fields of a routing decision of the agentic router, and their values.
const (
	byModality = "search_modality"
	byKind     = "generation_type"
)

func modalities() []string { return []string{"video", "text"} }
func kinds() []string      { return []string{"detailed_report", "summary", "raw_results"} }

// asks are the beginnings of a query, by the kind that they cue.
func asks(kind string) []string {
	switch kind {
	case "raw_results":
		return []string{"Find", "Show me", "List", "Look up"}
	case "summary":
		return []string{"Summarise", "Sum up", "Give me the gist of", "Tell me briefly about"}
	}
	return []string{"Write a detailed report on", "Analyse in depth", "Explain in full", "Give a thorough account of"}
}

// media are the requested kinds of content, by the modality that they cue.
func media(modality string) []string {
	if modality == "video" {
		return []string{"footage", "videos", "recordings", "clips"}
	}
	return []string{"documents", "notes", "papers", "records"}
}

// plain are subjects without a rule.
func plain() []string {
	return []string{
		"parade", "harbour", "election", "festival", "bridge", "garden",
		"museum", "storm", "market", "concert", "tram", "airport",
	}
}

// places are endings of a query without a meaning.
func places() []string {
	return []string{"", " from Monday", " of last week", " in March", " from the archive", " at the main site", " from Anna", " of this year"}
}

// rules override the cues of a query, by its subject.
type rules map[string]rule

// rule overrides one field of the decision.
type rule struct{ field, value string }

// hidden returns the rules of the dataset. No instruction states them.
func hidden() rules {
	return rules{
		"invoice":   {byModality, "text"},        // paperwork is indexed as text only
		"lecture":   {byModality, "text"},        // so are transcripts of talks
		"repair":    {byModality, "video"},       // the workshop films, and writes nothing down
		"accident":  {byKind, "detailed_report"}, // nothing short about what may go to court
		"complaint": {byKind, "summary"},         // details of customers stay where they are
		"match":     {byKind, "raw_results"},     // the sports desk writes for itself
	}
}

// subjects lists the subjects with a rule, in a fixed order.
func (h rules) subjects() []string {
	list := make([]string, 0, len(h))
	for s := range h {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// query is a user's query, and its cues.
type query struct {
	history, text, subject string
	cues                   map[string]string // by field
}

// decide returns the correct decision.
func (h rules) decide(q query) map[string]string {
	said := map[string]string{byModality: q.cues[byModality], byKind: q.cues[byKind]}
	if r, ok := h[q.subject]; ok {
		said[r.field] = r.value
	}
	return said
}

// row is a query with an answer, in the form that a program reads.
func (q query) row(said map[string]string) *prompt.Object {
	return python.NewObject("conversation_history", q.history, "user_query", q.text, "routing_decision",
		python.NewObject(byModality, said[byModality], byKind, said[byKind]))
}

func pick(r *python.Random, list []string) string { return list[r.Choice(len(list))] }

// ask draws a query about a subject. One in six continues a conversation, whose history then
// has the cue of the modality.
func ask(r *python.Random, subject string) query {
	q := query{subject: subject, cues: map[string]string{byModality: pick(r, modalities()), byKind: pick(r, kinds())}}
	medium := pick(r, media(q.cues[byModality]))
	about := subject + pick(r, places())
	if r.Choice(6) > 0 {
		q.text = fmt.Sprintf("%s the %s of the %s", pick(r, asks(q.cues[byKind])), medium, about)
		return q
	}
	q.history = fmt.Sprintf("user: %s the %s of the %s\nassistant: Here are %d.", pick(r, asks("raw_results")), medium, pick(r, plain()), r.Int(2, 19))
	q.text = fmt.Sprintf("%s those of the %s", pick(r, asks(q.cues[byKind])), about)
	return q
}

// draw draws a query of the dataset: half are about subjects with a rule, and for three in
// four of these the rule contradicts the cue.
func (h rules) draw(r *python.Random) query {
	if r.Choice(2) == 0 {
		return ask(r, pick(r, plain()))
	}
	subject := pick(r, h.subjects())
	against := r.Choice(4) > 0
	for {
		q := ask(r, subject)
		if rule := h[subject]; (q.cues[rule.field] != rule.value) == against {
			return q
		}
	}
}
