package prices

import (
	"cmp"
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/video"
)

// Where a price comes from.
const (
	sourceBuiltIn    = "built in" // a preview model, which is free
	sourceConfigured = "configuration"
	sourceListed     = "list"
	sourceUnknown    = "unknown"
)

// model is a model of the configuration and its price, by tokens or by calls. nil = it has none.
type model struct {
	Model  string   `json:"model"`
	Input  *float64 `json:"input_usd_per_mtok,omitempty"`
	Output *float64 `json:"output_usd_per_mtok,omitempty"`
	Call   *float64 `json:"usd_per_call,omitempty"`
	Source string   `json:"source"`         // built in, configuration, list or unknown
	Date   string   `json:"date,omitempty"` // of the list
	For    []string `json:"used_for,omitempty"`
}

func (m model) from() string { return from(m.Source, m.Date) }

func from(source, date string) string {
	if source == sourceListed {
		return "list of " + date
	}
	return source
}

func (m *model) tokens(p *money.Price) {
	m.Input, m.Output, m.Source, m.Date = &p.Input, &p.Output, sourceConfigured, p.Listed
	if p.Listed != "" {
		m.Source = sourceListed
	}
}

// models lists the models of the configuration. One that has different prices in several
// profiles is listed once for each.
func models(c config.Config) []model {
	var all []model
	add := func(m model, use string) {
		at := slices.IndexFunc(all, func(o model) bool { return o.Model == m.Model && same(o, m) })
		if at < 0 {
			at, all = len(all), append(all, m)
		}
		if use != "" && !slices.Contains(all[at].For, use) {
			all[at].For = append(all[at].For, use)
		}
	}
	for _, p := range c.Profiles() {
		for kind, s := range map[string]video.Stage{video.KindDescribe: p.Describe, video.KindEmbed: p.Embed, video.KindTranscribe: p.Transcribe} {
			if s.Model != "" {
				add(stagePrice(c, s, kind), kind+" of "+p.Name)
			}
		}
	}
	chat := func(name, use string) {
		m := model{Model: name, Source: sourceUnknown}
		if p := c.Price(name); p != nil {
			m.tokens(p)
		}
		add(m, use)
	}
	o := c.Optimize
	for role, m := range map[string]config.LM{"student": o.Student, "teacher": o.Teacher, "proposer": o.Proposer, "judge": o.Judge} {
		if m.Missing == "" && m.Name != "" {
			chat(m.Name, role)
		}
	}
	for _, component := range slices.Sorted(maps.Keys(o.Components)) {
		chat(o.Components[component].Name, "student of "+component)
	}
	for _, e := range c.Chat() {
		for _, name := range e.Models {
			if !slices.ContainsFunc(all, func(m model) bool { return m.Model == name }) {
				chat(name, "")
			}
		}
	}
	for i := range all {
		slices.Sort(all[i].For)
	}
	slices.SortFunc(all, func(a, b model) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Source, b.Source), cmp.Compare(value(a.Call), value(b.Call)))
	})
	return all
}

func same(a, b model) bool {
	equal := func(x, y *float64) bool { return x == y || x != nil && y != nil && *x == *y }
	return a.Source == b.Source && a.Date == b.Date && equal(a.Input, b.Input) && equal(a.Output, b.Output) && equal(a.Call, b.Call)
}

func value(usd *float64) float64 {
	if usd == nil {
		return -1
	}
	return *usd
}

// stagePrice is the price of a stage's calls: by tokens where its endpoint is charged so.
func stagePrice(c config.Config, s video.Stage, kind string) model {
	m := model{Model: s.Model, Source: sourceUnknown}
	if s.Preview {
		free := 0.0
		m.Call, m.Source = &free, sourceBuiltIn
		return m
	}
	if e, ok := c.Describer(s); ok && kind == video.KindDescribe && e.Kind == config.OpenAI {
		if p := c.Price(s.Model); p != nil {
			m.tokens(p)
			return m
		}
	}
	if !s.Unpriced {
		usd := float64(s.CostMicroUSD) / 1e6
		m.Call, m.Source = &usd, sourceConfigured
	}
	return m
}

// gpu is the price of an hour on a GPU class; nil = unknown.
type gpu struct {
	Class  string   `json:"class"`
	Hour   *float64 `json:"usd_per_hour,omitempty"`
	Source string   `json:"source"`
	Date   string   `json:"date,omitempty"` // of the list
}

func (g gpu) from() string { return from(g.Source, g.Date) }

func gpus(c config.Config) (all []gpu, book origin, err error) {
	list, err := estimate.DefaultPrices()
	if err != nil {
		return nil, book, err
	}
	for _, class := range video.GPUClasses() {
		g := gpu{Class: class, Source: sourceUnknown}
		if usd, known := c.Training.Prices[class]; known {
			g.Hour, g.Source = &usd, sourceConfigured
			if listed, is := list.Prices[class]; is && listed == usd {
				g.Source, g.Date = sourceListed, list.Date
			}
		}
		all = append(all, g)
	}
	return all, origin{list.Date, list.Source}, nil
}
