package rows

import (
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/training"
)

// keyTag is LLaMA-Factory's name of KeyLabel.
const keyTag = "kto_tag"

// rated reports whether a row is a rated answer. SFT ignores ratings. Without a method, a
// label is a rating if it reads like one: other labels name classes.
func (in *RowInput) rated(m training.Method) bool {
	label, tag := in.get(KeyLabel), in.get(keyTag)
	if m == training.SFT {
		return false
	}
	_, known := ratingOf(label)
	return tag != nil || known && !isNumber(label) || m == training.KTO && label != nil
}

// isNumber tells a rating of 0 or 1 from the number of a class only together with a method.
func isNumber(raw []byte) bool { return raw[0] >= '0' && raw[0] <= '9' }

// ratings are the words for a rating: of JSON, of CSV files, of Cogniverse's approvals and of
// the feedback that Phoenix keeps.
func ratings() map[string]bool {
	return map[string]bool{
		"true": true, "1": true, "1.0": true, "approved": true, "thumbs-up": true, "👍": true,
		"false": false, "0": false, "0.0": false, "rejected": false, "thumbs-down": false, "👎": false,
	}
}

// ratingOf reads a rating: a word of ratings, as a text or bare.
func ratingOf(raw []byte) (good, known bool) {
	said, isText := jsonText(raw)
	if !isText {
		said = string(raw)
	}
	good, known = ratings()[strings.ToLower(strings.TrimSpace(said))]
	return good, known
}

// rating reads whether the answer is rated good.
func (in *RowInput) rating() (good bool, err error) {
	key, raw := KeyLabel, in.get(KeyLabel)
	if tag := in.get(keyTag); tag != nil {
		if raw != nil {
			return false, &RowError{Code: "rating", Field: keyTag, Reason: "the row has label and kto_tag", Fix: "keep one of them"}
		}
		key, raw = keyTag, tag
	}
	if raw == nil {
		return false, in.missing(KeyLabel)
	}
	good, known := ratingOf(raw)
	if !known {
		return false, &RowError{
			Code: "rating", Field: key, Reason: shortName(string(raw)) + " is not a rating",
			Fix: "write true for a good answer and false for a bad one; approved and rejected, thumbs-up and thumbs-down, 1 and 0 mean the same",
		}
	}
	return good, nil
}

// ratedRow reads an answer in a form of sft, and its rating.
func (in *RowInput) ratedRow() (r Row, err error) {
	good, err := in.rating()
	if err != nil {
		return r, err
	}
	in.textOnly = true
	form := FormatOf(in, training.SFT)
	if err := in.unknown(append(form.knownFields(), KeyLabel, keyTag)); err != nil {
		return r, err
	}
	switch form {
	case FormatMessages:
		r, err = in.lastAnswer(KeyMessages)
	case FormatShareGPT:
		r, err = in.lastAnswer("conversations")
	case FormatAlpaca:
		r, err = in.alpacaRow()
	default:
		r, err = in.ratedPrompt()
	}
	r.Parts = append(r.Parts, Part{Key: KeyLabel, Good: &good})
	return r, err
}

// ratedPrompt reads a prompt and its completion: both texts, or messages.
func (in *RowInput) ratedPrompt() (r Row, err error) {
	prompt, answer := in.get(KeyPrompt), in.get(KeyCompletion)
	if prompt == nil {
		return r, in.missing(KeyPrompt)
	}
	if answer == nil {
		return r, in.missing(KeyCompletion)
	}
	if prompt[0] == '"' && answer[0] == '"' {
		return in.promptRow()
	}
	asked, err := in.question(prompt)
	if err != nil {
		return r, err
	}
	said, err := in.answer(KeyCompletion, answer)
	if err != nil {
		return r, err
	}
	return in.ratedMessages(KeyPrompt, KeyCompletion, asked, said)
}

// question reads messages, or the text of a user.
func (in *RowInput) question(raw []byte) ([]Message, error) {
	if raw[0] != '"' {
		return in.messages(KeyPrompt, raw)
	}
	text, err := in.required(KeyPrompt)
	return []Message{{Role: RoleUser, Content: text}}, err
}

// lastAnswer reads a conversation, of which the last answer is rated.
func (in *RowInput) lastAnswer(key string) (r Row, err error) {
	raw := in.get(key)
	if raw == nil {
		return r, in.missing(key)
	}
	list, err := in.messages(key, raw)
	if err != nil {
		return r, err
	}
	if err := checkConversation(key, list); err != nil {
		return r, err
	}
	last := len(list) - 1
	return in.ratedMessages(key, key, list[:last], list[last:])
}

func (in *RowInput) ratedMessages(name, answerName string, asked, said []Message) (r Row, err error) {
	if asked, err = in.asked(name, asked, "the completion"); err != nil {
		return r, err
	}
	if err := checkAnswer(answerName, asked, said, "a rated answer has no weight"); err != nil {
		return r, err
	}
	in.checkThinking(name, slices.Concat(asked, said))
	return Row{[]Part{{Key: KeyPrompt, Messages: asked}, {Key: KeyCompletion, Messages: said}}}, nil
}

// Unpair makes two rated answers of a pair: what was chosen is good, what was rejected is bad.
func (r Row) Unpair() []Row {
	prompt, _ := r.Part(KeyPrompt)
	var out []Row
	for _, key := range []string{KeyChosen, KeyRejected} {
		answer, _ := r.Part(key)
		good := key == KeyChosen
		answer.Key = KeyCompletion
		out = append(out, Row{[]Part{prompt, answer, {Key: KeyLabel, Good: &good}}})
	}
	return out
}

// Rating is whether the answer of a row is rated good; rated = the row has a rating.
func (r Row) Rating() (good, rated bool) {
	label, _ := r.Part(KeyLabel)
	if label.Good == nil {
		return false, false
	}
	return *label.Good, true
}
