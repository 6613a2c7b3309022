// Package faultytest lists datasets with one fault each, for the tests of everything that
// checks datasets. Every dataset has enough good rows besides.
package faultytest

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
)

// Dataset is one file, or two, with a fault in its first rows.
type Dataset struct {
	Group        string // kind of the fault
	Name         string // the fault
	Method       training.Method
	File         string
	Eval         string // evaluation dataset; empty = none
	FileName     string // of File
	MaxSeqLength int
}

const maxSeqLength = 256

// The groups, in the order of Datasets.
const (
	Format     = "format"
	CSV        = "CSV"
	Parquet    = "Parquet"
	Encoding   = "encoding"
	Roles      = "roles"
	Tools      = "tools"
	Thinking   = "thinking"
	Tokens     = "special tokens"
	Weights    = "weights"
	Nothing    = "nothing to learn"
	Duplicates = "duplicates"
	Leaks      = "leaks"
	Cuts       = "cuts"
	Images     = "images"
)

// Datasets returns all datasets, by group.
func Datasets() []Dataset {
	var all []Dataset
	for _, list := range [][]Dataset{formats(), tables(), encodings(), conversations(), specials(), lessons(), images()} {
		all = append(all, list...)
	}
	return all
}

// Verdict is what a check says of a dataset as a whole: refused, warned or accepted.
func Verdict(c dataset.Check) string {
	warns := func(p dataset.Problem) bool { return p.Severity == dataset.SeverityWarning }
	switch {
	case !c.OK:
		return "refused"
	case slices.ContainsFunc(c.Problems, warns):
		return "warned"
	default:
		return "accepted"
	}
}

func sft(group, name, file string) Dataset {
	return Dataset{Group: group, Name: name, Method: training.SFT, File: file, FileName: "d.jsonl", MaxSeqLength: maxSeqLength}
}

func dpo(group, name, file string) Dataset {
	return Dataset{Group: group, Name: name, Method: training.DPO, File: file, FileName: "d.jsonl", MaxSeqLength: maxSeqLength}
}

func kto(group, name, file string) Dataset {
	return Dataset{Group: group, Name: name, Method: training.KTO, File: file, FileName: "d.jsonl", MaxSeqLength: maxSeqLength}
}

func embedding(group, name, file string) Dataset {
	return Dataset{Group: group, Name: name, Method: training.Embedding, File: file, FileName: "d.jsonl", MaxSeqLength: maxSeqLength}
}

// repeated makes rows of a pattern with #.
func repeated(n int, pattern string) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(strings.ReplaceAll(pattern, "#", fmt.Sprint(i)) + "\n")
	}
	return all.String()
}

// lines puts rows before good ones of the same format.
func lines(good string, rows ...string) string { return strings.Join(append(rows, good), "\n") }

func prompts(rows ...string) string {
	return lines(repeated(60, `{"prompt": "question #", "completion": "answer #"}`), rows...)
}

func chats(conversations ...string) string {
	for i, c := range conversations {
		conversations[i] = `{"messages": [` + c + `]}`
	}
	return lines(repeated(60, `{"messages": [{"role": "user", "content": "question #"}, {"role": "assistant", "content": "answer #"}]}`), conversations...)
}

func pairs(rows ...string) string {
	return lines(repeated(30, `{"prompt": "question #", "chosen": "good answer #", "rejected": "bad answer #"}`), rows...)
}

func rated(rows ...string) string {
	return lines(repeated(30, `{"prompt": "question #", "completion": "good answer #", "label": true}`+"\n"+`{"prompt": "question #", "completion": "bad answer #", "label": false}`), rows...)
}

func triplets(rows ...string) string {
	return lines(repeated(110, `{"anchor": "query #", "positive": "passage #", "negative": "other passage #"}`), rows...)
}

func says(role, content string) string {
	return fmt.Sprintf(`{"role": %q, "content": %q}`, role, content)
}

func turns(messages ...string) string { return strings.Join(messages, ", ") }

// wide encodes a text in two bytes a character.
func wide(text string, bigEndian bool) string {
	var out strings.Builder
	for _, u := range utf16.Encode([]rune(text)) {
		low, high := byte(u), byte(u>>8)
		if bigEndian {
			low, high = high, low
		}
		out.WriteByte(low)
		out.WriteByte(high)
	}
	return out.String()
}

// widest encodes a text in four bytes a character.
func widest(text string) string {
	var out strings.Builder
	for _, r := range text {
		out.Write([]byte{byte(r), byte(r >> 8), byte(r >> 16), 0})
	}
	return out.String()
}
