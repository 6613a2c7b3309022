package train

import (
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/summary"
)

const maxSamples = 20 // of each kind

// chats are held-out rows as conversations: the prompt, the expected answer, and the score
// of each model. If answered is true, these are the rows that the models answered, otherwise the others.
func chats(r summary.Run, answered bool) []report.Chat {
	var out []report.Chat
	c := r.Adapter.Outcome.Comparison
	metric := ""
	if c != nil {
		metric = c.Metric
	}
	for _, s := range r.Samples {
		if (s.BaseAnswer != nil || s.BestAnswer != nil) != answered || len(out) == maxSamples {
			continue
		}
		base, best, change := sameDigits(s.Base, s.Best)
		chat := report.Chat{Title: "Row " + report.Count(s.Row)}
		name := lower(metricTitle(r.Adapter.Spec.Method, metric))
		if name == "" {
			name = "value"
		}
		if report.Finite(s.Best - s.Base) {
			chat.Note = name + " " + change
			switch {
			case s.Best == s.Base:
				chat.Tone, chat.Change, chat.Note = "calm", "same "+name, ""
			case (s.Best < s.Base) == training.LowerIsBetter(metric):
				chat.Tone, chat.Change = "good", "better"
			default:
				chat.Tone, chat.Change = "bad", "worse"
			}
		}
		chat.Turns = turns(s)
		chat.Turns = append(chat.Turns,
			modelTurn("before", "Base model", name+" "+base, s.BaseAnswer),
			modelTurn("after", "Trained", name+" "+best, s.BestAnswer))
		out = append(out, chat)
	}
	return out
}

// modelTurn is the turn of a model: its answer, or only its metric if it generated no answer.
func modelTurn(side, who, metric string, a *training.Answer) report.Turn {
	if a == nil {
		return report.Turn{Side: side, Who: who, Text: metric}
	}
	if a.Cut {
		metric += ", cut"
	}
	return report.NewTurn(side, who, metric, a.Text)
}

// turns are the parts of a row. The text that a model learns is marked as expected.
func turns(s summary.Sample) []report.Turn {
	var out []report.Turn
	add := func(side, who, text string) { out = append(out, report.NewTurn(side, who, "", text)) }
	last := len(s.Parts) - 1
	good, rated := rows.Row{Parts: s.Parts}.Rating()
	for i, p := range s.Parts {
		side, who := partOf(p.Key)
		switch {
		case p.Good != nil:
			continue // the answer has it in its title
		case rated && p.Key == rows.KeyCompletion && good:
			who = "Answer rated good"
		case rated && p.Key == rows.KeyCompletion:
			side, who = "reject", "Answer rated bad"
		}
		if p.Messages == nil {
			add(side, who, p.Text+imageName(p.Image))
			continue
		}
		for j, m := range p.Messages {
			switch {
			case m.Role == rows.RoleAssistant && side == "ask" && i == last && j == len(p.Messages)-1:
				add("want", "Expected answer", m.Content)
			case side == "ask":
				for _, piece := range m.Pieces {
					if piece.Image != "" {
						add("ask", roleTitle(m.Role), imageName(piece.Image))
					}
				}
				add("ask", roleTitle(m.Role), m.Content)
			default:
				add(side, who, m.Content)
			}
		}
	}
	if len(out) > report.MaxTurns { // the last turns contain the answer
		left := len(out) - report.MaxTurns
		out = append([]report.Turn{{Side: "ask", Who: "…", Text: report.Plural(left, "earlier message") + " not shown", Empty: true}}, out[left:]...)
	}
	if len(out) == 0 {
		out = append(out, report.NewTurn("ask", "Row", "", s.Text))
	}
	return out
}

// imageName names an image by the beginning of its SHA-256: a report has no images in it.
func imageName(image string) string {
	if image == "" {
		return ""
	}
	return "image " + image[:min(len(image), 12)]
}

// partOf is the side of the conversation to which a field of a row belongs, and its title.
func partOf(key string) (side, who string) {
	switch key {
	case rows.KeyCompletion:
		return "want", "Expected answer"
	case rows.KeyChosen:
		return "want", "Preferred answer"
	case rows.KeyRejected:
		return "reject", "Rejected answer"
	case rows.KeyPositive:
		return "want", "Should be near"
	case rows.KeyNegative:
		return "reject", "Should be far"
	case rows.KeyText:
		return "want", "Text"
	case rows.KeyAnchor:
		return "ask", "Query"
	}
	return "ask", "Prompt"
}

func roleTitle(role string) string {
	switch role {
	case rows.RoleSystem:
		return "System"
	case rows.RoleUser:
		return "User"
	case rows.RoleAssistant:
		return "Assistant, earlier"
	}
	return report.Clean(role, report.MaxLabel)
}
