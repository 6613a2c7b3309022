//go:build linux

package fleet

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/lm/lmtest"
)

var (
	wantedField = regexp.MustCompile("`(?:\\[\\[ ## )?(\\w+)(?: ## \\]\\])?`")
	topicAsked  = regexp.MustCompile(`topic (\d+)`)
	ruleGiven   = regexp.MustCompile(`Rule number (\d)`)
)

func hashOf(text string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, text)
	return h.Sum64()
}

// answerTopics answers in the format of DSPy's chat adapter, and depends on the question only. A
// teacher is always right. Proposed instructions are rules with a number; a higher number improves
// the student more.
func answerTopics(c lmtest.Call) lmtest.Reply {
	last := c.Question()
	var b strings.Builder
	for _, m := range wantedField.FindAllStringSubmatch(last[max(0, strings.LastIndex(last, "Respond with")):], -1) {
		value := fmt.Sprintf("Rule number %d.", hashOf(last)%10)
		switch m[1] {
		case "completed":
			value = ""
		case "answer":
			value = answered(c, last)
		}
		fmt.Fprintf(&b, "[[ ## %s ## ]]\n%s\n\n", m[1], value)
	}
	return lmtest.Reply{Text: b.String()}
}

func answered(c lmtest.Call, question string) string {
	topics := topicAsked.FindAllStringSubmatch(question, -1)
	topic, _ := strconv.Atoi(topics[len(topics)-1][1]) // digits
	skill := uint64(30)
	if rule := ruleGiven.FindStringSubmatch(c.Messages[0].Content); rule != nil {
		n, _ := strconv.Atoi(rule[1]) // a digit
		skill += uint64(7 * n)
	}
	if c.Model == "bill/teacher" || hashOf(strconv.Itoa(topic))%100 < skill {
		return strconv.Itoa(topic % 7)
	}
	return "none"
}
