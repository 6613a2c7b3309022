package lmtest

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
)

// What a request of an optimization asks for.
var (
	WantedField = regexp.MustCompile("`(?:\\[\\[ ## )?(\\w+)(?: ## \\]\\])?`")
	TopicAsked  = regexp.MustCompile(`topic (\d+)`)
	RuleGiven   = regexp.MustCompile(`Rule number (\d)`)
)

// Hash is the same in each run.
func Hash(text string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, text)
	return h.Sum64()
}

// Topics answers in the format of DSPy's chat adapter, and depends on the question only: the answer
// to "topic N" is N modulo 7. The teacher is always right. Proposed instructions are rules with a
// number; a higher number improves the student more.
func Topics(teacher string) func(c Call) Reply {
	return func(c Call) Reply {
		last := c.Question()
		var b strings.Builder
		for _, m := range WantedField.FindAllStringSubmatch(last[max(0, strings.LastIndex(last, "Respond with")):], -1) {
			value := fmt.Sprintf("Rule number %d.", Hash(last)%10)
			switch m[1] {
			case "completed":
				value = ""
			case "answer":
				value = topic(c, last, teacher)
			}
			fmt.Fprintf(&b, "[[ ## %s ## ]]\n%s\n\n", m[1], value)
		}
		return Reply{Text: b.String()}
	}
}

func topic(c Call, question, teacher string) string {
	topics := TopicAsked.FindAllStringSubmatch(question, -1)
	n, _ := strconv.Atoi(topics[len(topics)-1][1]) // digits
	skill := uint64(30)
	if rule := RuleGiven.FindStringSubmatch(c.Messages[0].Content); rule != nil {
		number, _ := strconv.Atoi(rule[1]) // a digit
		skill += uint64(7 * number)        //nolint:gosec // a digit
	}
	if c.Model == teacher || Hash(strconv.Itoa(n))%100 < skill {
		return strconv.Itoa(n % 7)
	}
	return "none"
}
