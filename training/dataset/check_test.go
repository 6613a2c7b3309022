package dataset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/rows/secret"
)

// TestEstimateTokens compares with what Qwen's tokenizer makes of the texts.
func TestEstimateTokens(t *testing.T) {
	t.Parallel()
	for text, tokens := range map[string]int{
		"The quick brown fox jumps over the lazy dog, and then it sleeps for the rest of the afternoon.":         21,
		"func main() {\n\tfor i := range 10 {\n\t\tfmt.Println(\"row\", i*i)\n\t}\n}\n":                          24,
		"Die Bundesregierung hat am Mittwoch beschlossen, die Förderung für erneuerbare Energien zu verlängern.": 28,
		"Сегодня вечером мы пойдём в театр, а потом поужинаем в небольшом ресторане на набережной.":              32,
		"今天下午我们去公园散步,然后在附近的餐厅吃晚饭。":                                                                               14,
		"今日は天気がいいので、公園まで散歩に行きました。":                                                                               13,
		"In 2024 it was 1,234,567.89 of 9,876,543.21 units (12.5 %).":                                            43,
		"": 0,
	} {
		assert.InDelta(t, tokens, EstimateTokens(text), 0.35*float64(tokens), text)
	}
}

func TestLengthOf(t *testing.T) {
	t.Parallel()
	ten := strings.TrimSpace(strings.Repeat("word ", 10))
	for _, c := range []struct {
		row            rows.Row
		tokens, prompt int
	}{
		{rows.PromptRow(ten, ten), 20, 10},
		{rows.Row{Parts: []rows.Part{{Key: rows.KeyPrompt, Text: ten}, {Key: rows.KeyChosen, Text: ten}, {Key: rows.KeyRejected, Text: ten + " " + ten}}}, 30, 10},
		{rows.Row{Parts: []rows.Part{{Key: rows.KeyAnchor, Text: ten}, {Key: rows.KeyPositive, Text: ten + " " + ten}, {Key: rows.KeyNegative, Text: ten}}}, 20, 0},
		{rows.Row{Parts: []rows.Part{{Key: rows.KeyText, Text: ten}}}, 10, 0},
		{rows.MessagesRow([]rows.Message{{Role: rows.RoleUser, Content: ten}, {Role: rows.RoleAssistant, Content: ten}, {Role: rows.RoleUser, Content: ten}, {Role: rows.RoleAssistant, Content: ten}}), 40 + 4*turnTokens, 30 + 3*turnTokens},
	} {
		got := lengthOf(c.row)
		assert.Equal(t, c.tokens, got.tokens, c.row.Shape())
		assert.Equal(t, c.prompt, got.prompt, c.row.Shape())
	}
}

func TestSpreadOf(t *testing.T) {
	t.Parallel()
	var lengths []uint32
	for i := range uint32(200) {
		lengths = append(lengths, 200-i)
	}
	assert.Equal(t, Spread{P50: 100, P90: 180, P99: 198, Max: 200, Total: 20100}, spreadOf(lengths))
	assert.Equal(t, Spread{7, 7, 7, 7, 7}, spreadOf([]uint32{7}))
	assert.Zero(t, spreadOf(nil))
}

func TestSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb": "a private key",
		"id AKIAABCDEFGH1234567Z!":                   "an AWS access key",
		"use sk-proj-abc123abc123abc123abc123":       "an API key",
		"the task-abc123abc123abc123abc123abc123":    "",
		"sk-learn is a library":                      "",
		"ghp_" + strings.Repeat("a1", 18):            "a GitHub token",
	} {
		assert.Equal(t, want, secret.Kind(text), text)
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	assert.Equal(t, rows.Normal("What is  2+2?"), rows.Normal(" what is 2+2\n"))
	assert.NotEqual(t, rows.Normal("2+2"), rows.Normal("2-2"))
	for text, same := range map[string]string{
		"Was ist ein Caf\u00e9?": "was ist ein cafe\u0301",
		"Wie groß ist es?":       "WIE GROSS IST ES",
		"ＡＢＣ　１２３":                "abc 123",
		"什么是猫？":                  "什么是猫",
		"日本語とは。":                 "日本語とは",
		"red\u200b\ufeff car":    "red car",
	} {
		assert.Equal(t, rows.Normal(same), rows.Normal(text), "%q", text)
	}
	assert.NotEqual(t, rows.Normal("x²"), rows.Normal("x2"))
}

func TestProblemString(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `line 9, row 3, field "chosen": it is empty; fill it in`, Problem{Line: 9, Row: 3, Field: "chosen", Reason: "it is empty", Fix: "fill it in"}.String())
	assert.Equal(t, "it has no rows", Problem{Reason: "it has no rows"}.String())
}
