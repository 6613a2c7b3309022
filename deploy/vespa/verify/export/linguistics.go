package main

import (
	"encoding/json"

	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/linguistics"
)

// tokenized is a text with the words that Vespa must make of it, and its additional terms
// with theirs.
type tokenized struct {
	Text  string   `json:"text"`
	Words []string `json:"words"`
}

// exportLinguistics writes texts that Vespa's tokenizer splits like this program.
func exportLinguistics(dir string) error {
	texts := []string{
		"A red car, don't stop: 12 km²", "Ein Café an der Hauptstraße", "ﬁlm ｆｕｌｌ ｗｉｄｔｈ", "İstanbul ısparta ΟΔΟΣ οδός",
		"北京 街道。東京駅JR", "ﾄﾗﾑカー", "버스가 서울에서", "รถรางสีแดง ที่นี่", "हिन्दी में", "مُحَمَّد", "the 🚋 and 👩‍🚒 ☎", "x_y-z/1.5 % ½",
	}
	var list []tokenized
	for _, text := range texts {
		list = append(list, tokenized{text, linguistics.Split(text)})
		if extra := linguistics.Extra(text); extra != "" {
			list = append(list, tokenized{extra, linguistics.Split(extra)})
		}
	}
	data, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	return write(dir, []vespa.File{{Path: "linguistics.json", Data: data}})
}
