package answer

import (
	"regexp"
	"strconv"
	"strings"
)

// outputLimit matches refusals of a max_tokens that is above the maximum of the model, which they name.
var outputLimit = regexp.MustCompile(strings.Join([]string{
	`supports at most (\d+) completion tokens`,                                              // OpenAI
	`max_tokens: \d+ > (\d+), which is the maximum allowed`,                                 // Anthropic
	"max_(?:completion_)?tokens(?:`| for `[^`]+`) must be less than or equal to `?(\\d+)",   // Groq
	"(?:error: |^)`max_new_tokens` must be <= (\\d+)",                                       // TGI
	`range of max_(?:completion_)?tokens (?:is|should be) \[1, ?(\d+)\]`,                    // DeepSeek, Alibaba
	`max_(?:completion_)?tokens'?: integer above maximum value\. expected a value <= (\d+)`, // OpenAI
	`max_tokens \(current value: \d+\) must be between \d+ and (\d+)`,
	`maximum tokens you requested exceeds? the model limit of (\d+)`,                                                      // Bedrock
	`maxoutputtokens value of \d+ but the supported range is from \d+ \(inclusive\) to (\d+) \((?:inclusive|exclusive)\)`, // Gemini
}, "|"))

// OutputLimit returns the maximum of max_tokens that a refusal names.
func OutputLimit(text string) (tokens int, ok bool) {
	found := outputLimit.FindStringSubmatch(strings.ToLower(text))
	if found == nil {
		return 0, false
	}
	tokens, err := strconv.Atoi(strings.Join(found[1:], ""))
	if strings.HasSuffix(found[0], "(exclusive)") {
		tokens--
	}
	return tokens, err == nil && tokens > 0
}
