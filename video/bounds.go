package video

import (
	"strings"

	"github.com/cogniverse/cogflow/money"
)

// MaxURI is how many bytes the name of a place has at most: a path, a URL or an object.
const MaxURI = 2048

// CutURI shortens a URI that is longer than MaxURI, for people. What it returns is longer
// than MaxURI again, so that whoever would open it refuses it instead.
func CutURI(uri string) string {
	if len(uri) <= MaxURI {
		return uri
	}
	const mark = "…"
	text := strings.ToValidUTF8(uri[:MaxURI], "")
	return text + strings.Repeat(mark, (MaxURI-len(text))/len(mark)+1)
}

// What a describe stage is asked where its profile does not say.
const (
	DescribePrompt    = "Provide a detailed description of this video frame, including objects, people, actions, scene setting, and visual details." // Cogniverse's
	DescribeMaxTokens = 256
	DescribeMaxPixels = 768 * 28 * 28 // Qwen2-VL makes one visual token of 28×28 pixels
)

const (
	patchPixels    = 14 * 14 // no vision model in use makes more than one token of so many pixels
	describeSchema = 512     // tokens of the schema of a structured answer, and of a chat template
	// imageTokens is what some vendors count for a picture on top, to charge more:
	// gpt-4o-mini up to 25,501.
	imageTokens = 32 << 10
)

// DescribeBounds says what the tokens of one call of a describe stage can come to.
func (s Stage) DescribeBounds() money.Request {
	or := func(value, otherwise int) int {
		if value > 0 {
			return value
		}
		return otherwise
	}
	text := len(s.Prompt)
	if text == 0 {
		text = len(DescribePrompt)
	}
	input := text + or(s.MaxPixels, DescribeMaxPixels)/patchPixels + describeSchema
	return money.Request{Input: input, MaxInput: input + imageTokens, MaxOutput: or(s.MaxTokens, DescribeMaxTokens)}
}
