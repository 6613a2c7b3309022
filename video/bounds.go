package video

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

// MaxURI is the maximum length of a path, a URL or an object name, in bytes.
const MaxURI = 2048

// CutURI shortens a URI that is longer than MaxURI, for people. The result is still longer
// than MaxURI, so that it cannot be opened by mistake.
func CutURI(uri string) string {
	if len(uri) <= MaxURI {
		return uri
	}
	const mark = "…"
	text := strings.ToValidUTF8(uri[:MaxURI], "")
	return text + strings.Repeat(mark, (MaxURI-len(text))/len(mark)+1)
}

// IsSound reports whether a URI has the name of a file that has only sound.
func IsSound(uri string) bool {
	switch strings.ToLower(path.Ext(uri)) {
	case ".aac", ".aif", ".aiff", ".flac", ".m4a", ".m4b", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".weba", ".wma":
		return true
	}
	return false
}

// Defaults of a describe stage.
const (
	DescribePrompt    = "Provide a detailed description of this video frame, including objects, people, actions, scene setting, and visual details." // Cogniverse's
	DescribeMaxTokens = 512                                                                                                                          // a longer caption is cut, and its frame refused; stored captions stay valid
	DescribeMaxPixels = 768 * 28 * 28                                                                                                                // Qwen2-VL makes one visual token of 28×28 pixels
)

// describeStills is the default prompt for several pictures.
const describeStills = "These pictures are stills from one part of a video, in order of time. Provide a detailed description of that part, including objects, people, actions and how they develop, scene setting, and visual details. Describe it as a whole, not picture by picture."

const (
	patchPixels    = 14 * 14 // vision models in use make at most one token of this many pixels
	describeSchema = 512     // tokens of the schema of a structured answer, and of a chat template
	// imageTokens is what some vendors add for each picture: gpt-4o-mini up to 25,501.
	imageTokens = 32 << 10
)

// MaxAnswer is the max_tokens of a request of a describe stage; 0 = none is sent.
func (s Stage) MaxAnswer() int {
	switch {
	case slices.Contains(s.Omit, "max_tokens"):
		return 0
	case s.MaxTokens > 0:
		return s.MaxTokens
	}
	return DescribeMaxTokens
}

// DescribeText is the prompt of a call about a number of pictures. The default names them if
// they are several.
func (s Stage) DescribeText(pictures int) string {
	switch {
	case s.Prompt != "":
		return s.Prompt
	case pictures > 1:
		return describeStills
	}
	return DescribePrompt
}

// DescribeBounds limits the tokens of one call of a describe stage about a number of pictures.
func (s Stage) DescribeBounds(pictures int) money.Request {
	or := func(value, otherwise int) int {
		if value > 0 {
			return value
		}
		return otherwise
	}
	pictures = max(pictures, 1)
	input := len(s.DescribeText(pictures)) + pictures*(or(s.MaxPixels, DescribeMaxPixels)/patchPixels) + describeSchema
	return money.Request{Input: input, MaxInput: input + pictures*imageTokens, MaxOutput: s.MaxAnswer()}
}

// ErrLongURI is the fault of a video whose URI is longer than MaxURI.
func ErrLongURI() error {
	return fault.New(fault.Input, "ingest video", "uri", fmt.Sprintf("has more than %d bytes; give the video a shorter path or name", MaxURI))
}
