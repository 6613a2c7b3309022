package report

import (
	"cmp"
	_ "embed"
	"html/template"
	"strings"
	"time"
)

// sharedText are the templates that all pages begin with or use.
//
//go:embed shared.gohtml
var sharedText string

// Head is how every page begins: its title, how the run ended, and where the numbers come from.
type Head struct {
	CSS    template.CSS
	Kind   string // what page it is: "training report"
	Title  string
	Badges []Badge
	Facts  []Pair
	Plays  bool // the page plays videos of this machine
}

// Ended is the first badge in the title of the window.
func (h Head) Ended() string {
	if len(h.Badges) == 0 {
		return ""
	}
	return " – " + h.Badges[0].Text
}

// About says where the numbers of a page come from. Every page shows all of it that its
// kind of run has, so that a page that was saved or sent can be traced.
type About struct {
	First   []Pair // what is special about the kind of page, shown first
	Profile string
	Job     string
	Models  []Pair // role and model
	Index   string
	Tenant  string
	Started time.Time
	Ended   time.Time // zero = a moment, not a run
	Run     string
	Version string // of cogflow
}

// Facts are the lines of the head. The date, the run id and the version are on every page:
// one that is not known is said to be.
func (a About) Facts() []Pair {
	list := append([]Pair{}, a.First...)
	list = append(list, Pair{"Profile", Clean(a.Profile, MaxName)}, Pair{"Job", Clean(a.Job, MaxName)})
	for _, m := range a.Models {
		list = append(list, Pair{m.Name, Clean(m.Value, MaxName)})
	}
	list = append(list, Pair{"Index", Clean(a.Index, MaxName)}, Pair{"Tenant", Clean(a.Tenant, MaxName)})
	const unknown = "not recorded"
	date, took := Moment(a.Started), ""
	if a.Started.IsZero() {
		date = Moment(a.Ended)
	} else if a.Ended.After(a.Started) {
		took = Span(a.Ended.Sub(a.Started).Milliseconds())
	}
	if date == Absent {
		date = unknown
	}
	return Known(append(list,
		Pair{"Date", date}, Pair{"Took", took}, Pair{"Run id", cmp.Or(Clean(a.Run, MaxName), unknown)},
		Pair{"cogflow version", cmp.Or(Clean(a.Version, MaxName), unknown)}))
}

// NewHead makes the head of a page; the style sheets follow Style.
func NewHead(kind, title string, badges []Badge, a About, styles ...string) Head {
	css := strings.Join(append([]string{Style}, styles...), "")
	return Head{CSS: template.CSS(css), Kind: kind, Title: title, Badges: badges, Facts: a.Facts()} //nolint:gosec // our own style sheets
}

// Searched says what searches looked into, for the pages about them.
type Searched struct {
	Profile, Describe, Embed, Index, Version, Run string
	Time                                          time.Time
}

// About is the head of a page about searches.
func (s Searched) About(tenant string, first ...Pair) About {
	return About{
		First: first, Profile: s.Profile, Models: []Pair{{"Describe model", s.Describe}, {"Embed model", s.Embed}},
		Index: s.Index, Tenant: tenant, Started: s.Time, Run: s.Run, Version: s.Version,
	}
}
