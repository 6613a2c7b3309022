package report

import (
	"cmp"
	_ "embed"
	"html/template"
	"strings"
	"time"
)

// sharedText holds the templates that all pages use.
//
//go:embed shared.gohtml
var sharedText string

// Head is the head of a page: its title, the outcome of the run, and the origin of the numbers.
type Head struct {
	CSS    template.CSS
	Kind   string // of page, such as "training report"
	Title  string
	Badges []Badge
	Facts  []Pair
	Plays  bool // the page plays local videos
}

// Ended is the text of the first badge, for the title of the window.
func (h Head) Ended() string {
	if len(h.Badges) == 0 {
		return ""
	}
	return " – " + h.Badges[0].Text
}

// About is the origin of the numbers of a page. Every page shows it, so that a page that
// was saved or sent can be traced to its run.
type About struct {
	First   []Pair // facts of this kind of page only, shown first
	Profile string
	Job     string
	Models  []Pair // role and model
	Index   string
	Tenant  string
	Started time.Time
	Ended   time.Time // zero = a single point in time
	Run     string
	Version string // of cogflow
}

// Facts are the lines of the head. Every page has the date, the run id and the version, or
// "not recorded".
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

// Searched describes the data that was searched, for pages about searches.
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
