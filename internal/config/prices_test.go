package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/video"
)

// TestListPrices: what is configured counts more than a list, a list counts only of
// the vendor himself, and what is on no list has no price.
func TestListPrices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want *prompt.Price
	}{
		"listed":           {`{"llm_config":{"primary":{"model":"openai/gpt-4o-mini"}}}`, &prompt.Price{Input: 0.15, Output: 0.6, Listed: "2026-08-21"}},
		"by date":          {`{"llm_config":{"primary":{"model":"anthropic/claude-haiku-4-5-20251001"}}}`, &prompt.Price{Input: 1, Output: 5, Listed: "2026-08-21"}},
		"not listed":       {`{"llm_config":{"primary":{"model":"anthropic/claude-3-5-sonnet-20241022"}}}`, nil},
		"of another":       {`{"llm_config":{"primary":{"model":"openai/gpt-4o","api_base":"https://gateway.example.com/v1"}}}`, nil},
		"of a like name":   {`{"llm_config":{"primary":{"model":"openai/gpt-4o","api_base":"https://api.openai.com.example.com/v1"}}}`, nil},
		"of another's":     {`{"llm_config":{"primary":{"model":"anthropic/gpt-4o"}}}`, nil},
		"for nothing here": {`{"llm_config":{"primary":{"model":"openai/gpt-4o"}},"cogflow":{"optimize":{"prices":{"gpt-4o":{"input_usd_per_mtok":0,"output_usd_per_mtok":0}}}}}`, &prompt.Price{}},
		"of our endpoint": {`{"cogflow":{"endpoints":{"e":{"kind":"openai","url":"https://api.openai.com/v1","models":["gpt-4.1"],"api_key_env":"K",
			"input_usd_per_mtok":1,"output_usd_per_mtok":2}},"optimize":{"student":"gpt-4.1"}}}`, &prompt.Price{Input: 1, Output: 2}},
		"of our endpoint, listed": {`{"cogflow":{"endpoints":{"e":{"kind":"openai","url":"https://api.openai.com/v1","models":["gpt-4.1"],"api_key_env":"K"}},
			"optimize":{"student":"gpt-4.1"}}}`, &prompt.Price{Input: 2, Output: 8, Listed: "2026-08-21"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(file(t, c.text))
			require.NoError(t, err)
			require.Empty(t, got.Optimize.Student.Missing)
			assert.Equal(t, c.want, got.Optimize.Student.Price)
		})
	}
}

// TestHalfAPrice: with a price for input alone, output would be free without a word.
// So it is for whatever a price is not used for.
func TestHalfAPrice(t *testing.T) {
	t.Parallel()
	endpoint := func(kind, prices string) string {
		return `{"cogflow":{"endpoints":{"e":{"kind":"` + kind + `","url":"http://127.0.0.1:9/v1","models":["m"]` + prices + `}}}}`
	}
	for text, want := range map[string]string{
		endpoint("openai", `,"input_usd_per_mtok":1`):                             "cogflow.endpoints.e.output_usd_per_mtok: missing",
		endpoint("openai", `,"output_usd_per_mtok":1`):                            "cogflow.endpoints.e.input_usd_per_mtok: missing",
		endpoint("openai", `,"input_usd_per_mtok":0`):                             "cogflow.endpoints.e.output_usd_per_mtok: missing",
		endpoint("openai", `,"input_usd_per_mtok":1,"output_usd_per_mtok":null`):  "cogflow.endpoints.e.output_usd_per_mtok: missing",
		endpoint("openai", `,"input_usd_per_mtok":1,"output_usd_per_mtok":-1`):    "cogflow.endpoints.e.input_usd_per_mtok: a price is out of range",
		endpoint("openai", `,"input_usd_per_mtok":1e300,"output_usd_per_mtok":1`): "a price is out of range",
		endpoint("embeddings", `,"input_usd_per_mtok":1`):                         "kind embeddings have no price by tokens",
		endpoint("pooling", `,"input_usd_per_mtok":1,"output_usd_per_mtok":1`):    "kind pooling have no price by tokens",
		endpoint("transcriptions", `,"output_usd_per_mtok":1`):                    "kind transcriptions have no price by tokens",
		endpoint("cogniverse", `,"input_usd_per_mtok":1,"output_usd_per_mtok":1`): "kind cogniverse have no price by tokens",
		`{"cogflow":{"optimize":{"student":"m","prices":{"m":{"input_usd_per_mtok":1}}},"endpoints":{"e":{"kind":"openai","url":"http://127.0.0.1:9/v1","models":["m"]}}}}`: "cogflow.optimize.prices.m.output_usd_per_mtok: missing",
	} {
		_, err := Load(file(t, text))
		require.ErrorContains(t, err, want, text)
	}
	for _, prices := range []string{``, `,"input_usd_per_mtok":0,"output_usd_per_mtok":0`, `,"input_usd_per_mtok":0,"output_usd_per_mtok":5`} {
		_, err := Load(file(t, endpoint("openai", prices)))
		require.NoError(t, err, prices)
	}
	got, err := Load(file(t, endpoint("openai", `,"input_usd_per_mtok":0,"output_usd_per_mtok":0`)))
	require.NoError(t, err)
	require.Equal(t, &prompt.Price{}, got.Price("m"), "0 is a price")
}

// TestDescribePrice: a call of a describer that is priced by tokens reserves the most
// that it can cost; a price of the profile's own stands.
func TestDescribePrice(t *testing.T) {
	t.Parallel()
	profile := func(sampling, describe string) string {
		return `{"cogflow":{"active_profile":"p","endpoints":{"e":{"kind":"openai","url":"http://127.0.0.1:9/v1","models":["m"],"input_usd_per_mtok":1,"output_usd_per_mtok":10}},
			"profiles":{"p":{"sampling":{` + sampling + `},"describe":{"model":"m"` + describe + `}}}}}`
	}
	for describe, want := range map[string]func(in, out int) int64{
		``:                      func(in, out int) int64 { return int64(in + 10*out) },
		`,"max_tokens":40`:      func(in, out int) int64 { return int64(in + 10*out) },
		`,"cost_micro_usd":700`: func(int, int) int64 { return 700 },
	} {
		for sampling, pictures := range map[string]int{`"strategy":"fps","fps":1`: 1, `"strategy":"shots","stills":4`: 4, `"strategy":"segments","stills":9`: 9} {
			of := describe
			if pictures > 1 {
				of += `,"of":"segment"`
			}
			got, err := Load(file(t, profile(sampling, of)))
			require.NoError(t, err)
			p, err := got.Profile("p")
			require.NoError(t, err)
			most := p.Describe.DescribeBounds(pictures)
			require.Equal(t, want(most.Input, most.MaxOutput), p.Describe.CostMicroUSD, of)
		}
	}
}

// TestComplaint10OwnPrice: a model whose price its user had set was taken as free. A price of the
// endpoint or of the profile is what a call reserves. The number is that of a list of complaints
// about other systems, as in internal/ledger/complaints_test.go.
func TestComplaint10OwnPrice(t *testing.T) {
	t.Parallel()
	for endpoint, cost := range map[string]string{
		`,"input_usd_per_mtok":1,"output_usd_per_mtok":2`: ``, ``: `,"cost_micro_usd":5`,
	} {
		got, err := Load(file(t, `{"cogflow":{"active_profile":"p","endpoints":{
			"e":{"kind":"openai","url":"http://127.0.0.1:9/v1","models":["self-priced"]`+endpoint+`}},
			"profiles":{"p":{"sampling":{"strategy":"fps","fps":1},"describe":{"model":"self-priced"`+cost+`}}}}}`))
		require.NoError(t, err)
		p, err := got.Profile("p")
		require.NoError(t, err)
		require.Positive(t, p.Describe.CostMicroUSD)
		require.False(t, p.Describe.Unpriced)
	}
}

// TestUnpriced: a stage of an endpoint that says no price is not free: under a hard
// limit nothing is asked of it. One that says 0 is, as the embedded models are.
func TestUnpriced(t *testing.T) {
	t.Parallel()
	load := func(endpoint, cost string) video.Profile {
		got, err := Load(file(t, `{"cogflow":{"active_profile":"p","endpoints":{
			"e":{"kind":"openai","url":"http://127.0.0.1:9/v1","models":["m"]`+endpoint+`},"v":{"kind":"embeddings","url":"http://127.0.0.1:9/v1","models":["v"]},
			"s":{"kind":"transcriptions","url":"http://127.0.0.1:9/v1","models":["s"]}},
			"profiles":{"p":{"sampling":{"strategy":"fps","fps":1},"describe":{"model":"m"`+cost+`},"embed":{"model":"v","dim":4`+cost+`},"transcribe":{"model":"s"`+cost+`}}}}}`))
		require.NoError(t, err)
		p, err := got.Profile("p")
		require.NoError(t, err)
		return p
	}
	for name, c := range map[string]struct {
		endpoint, cost   string
		describe, others bool
	}{
		"nothing":                  {``, ``, true, true},
		"by the call":              {``, `,"cost_micro_usd":5`, false, false},
		"free":                     {``, `,"cost_micro_usd":0`, false, false},
		"null":                     {``, `,"cost_micro_usd":null`, true, true},
		"by tokens":                {`,"input_usd_per_mtok":1,"output_usd_per_mtok":1`, ``, false, true},
		"free, by tokens":          {`,"input_usd_per_mtok":0,"output_usd_per_mtok":0`, ``, false, true},
		"free, and not, by tokens": {`,"input_usd_per_mtok":1,"output_usd_per_mtok":1`, `,"cost_micro_usd":0`, false, false},
	} {
		p := load(c.endpoint, c.cost)
		require.Equal(t, c.describe, p.Describe.Unpriced, name)
		require.Equal(t, c.others, p.Embed.Unpriced, name)
		require.Equal(t, c.others, p.Transcribe.Unpriced, name)
	}
	local := video.LocalPreview()
	require.False(t, local.Describe.Unpriced || local.Embed.Unpriced)
	got, err := Load(file(t, `{"cogflow":{"profiles":{"p":{"sampling":{"strategy":"fps","fps":1}}}}}`))
	require.NoError(t, err)
	p, err := got.Profile("p")
	require.NoError(t, err)
	require.False(t, p.Describe.Unpriced || p.Embed.Unpriced)
}
