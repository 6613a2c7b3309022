package video

import (
	"regexp"
	"slices"
	"strings"
)

// Roles say how queries and passages are told apart for an embedder that was trained with
// both. The zero value means not at all. The tags are the reference; see config.Schema.
type Roles struct {
	Query     Role   `json:"query,omitzero" jsonschema:"search queries"`
	Passage   Role   `json:"passage,omitzero" jsonschema:"texts of documents"`
	Parameter string `json:"parameter,omitempty" jsonschema:"field of requests that names the role, such as input_type or task (kind embeddings only)"`
}

// Role is one of them.
type Role struct {
	Prefix string `json:"prefix,omitempty" jsonschema:"text that is put before each one, with its last space or line break"`
	Value  string `json:"value,omitempty" jsonschema:"value of the field that names the role"`
}

// role is what a stage's embedder is told about a text.
func (s Stage) role(query bool) Role {
	switch {
	case s.Roles == nil:
		return Role{}
	case query:
		return s.Roles.Query
	}
	return s.Roles.Passage
}

// Words are texts as the model of a stage reads them: with the prefix of their role.
func (s Stage) Words(query bool, texts []string) []string {
	prefix := s.role(query).Prefix
	if prefix == "" {
		return texts
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = prefix + text
	}
	return out
}

// RoleField is the field of a request that names the role of its texts; ok is false if the
// model has none.
func (s Stage) RoleField(query bool) (name, value string, ok bool) {
	if value = s.role(query).Value; value == "" {
		return "", "", false
	}
	return s.Roles.Parameter, value, true
}

// roleParts lists what determines a vector besides embeddingParts. A text without a role has
// none, so that its fingerprint is the one of builds that had no roles.
func (s Stage) roleParts(query bool) []string {
	r := s.role(query)
	if r == (Role{}) {
		return nil
	}
	parts := []string{"role", r.Prefix}
	if r.Value != "" {
		parts = append(parts, s.Roles.Parameter, r.Value)
	}
	return parts
}

const maxPrefix = 4096 // bytes

// reservedFields are fields of requests that no role may set.
func reservedFields() []string {
	return []string{"input", "model", "encoding_format", "user", "dimensions"}
}

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// check returns what is wrong with roles; empty = nothing.
func (r *Roles) check() string {
	switch {
	case r == nil:
		return ""
	case max(len(r.Query.Prefix), len(r.Passage.Prefix), len(r.Query.Value), len(r.Passage.Value)) > maxPrefix:
		return "a prefix or a value of embed.roles is longer than 4096 bytes"
	case (r.Parameter == "") != (r.Query.Value == "" && r.Passage.Value == ""):
		return "embed.roles needs both a parameter and its values, or neither"
	case r.Parameter != "" && !fieldName.MatchString(r.Parameter):
		return "embed.roles.parameter must be the name of a field, such as input_type"
	case slices.Contains(reservedFields(), r.Parameter):
		return "embed.roles.parameter must not be a field that every request has, such as input"
	}
	return ""
}

// Prefixes and tasks that model cards document.
const (
	represent   = "Represent this sentence for searching relevant passages: "
	representZh = "为这个句子生成表示以用于检索相关文章："
	instruct    = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)

// family is a family of embedders that were trained with roles.
type family struct {
	name  *regexp.Regexp // of the last part of a model's name
	roles Roles
}

// families lists them. The first match counts.
func families() []family {
	return []family{
		{regexp.MustCompile(`^(multilingual-)?e5-.*instruct`), prefixes(instruct+" ", "")}, // also e5-mistral-7b-instruct
		{regexp.MustCompile(`^(multilingual-)?e5-(small|base|large)`), prefixes("query: ", "passage: ")},
		{regexp.MustCompile(`^qwen3-embedding`), prefixes(instruct, "")},
		{regexp.MustCompile(`^gte-qwen.*instruct`), prefixes(instruct+" ", "")},
		{regexp.MustCompile(`^(nomic-embed-text|modernbert-embed)`), prefixes("search_query: ", "search_document: ")},
		{regexp.MustCompile(`^bge-(small|base|large)-zh`), prefixes(representZh, "")},
		{regexp.MustCompile(`^bge-(small|base|large)(-en.*)?$`), prefixes(represent, "")}, // bge-m3 has none
		{regexp.MustCompile(`^mxbai-embed-large`), prefixes(represent, "")},
		{regexp.MustCompile(`^snowflake-arctic-embed(2$|.*-v2)`), prefixes("query: ", "")},
		{regexp.MustCompile(`^snowflake-arctic-embed`), prefixes(represent, "")},
		{regexp.MustCompile(`^embeddinggemma`), prefixes("task: search result | query: ", "title: none | text: ")},
		{regexp.MustCompile(`^jina-embeddings-v[34]$`), values("task", "retrieval.query", "retrieval.passage")},
		{regexp.MustCompile(`^voyage-`), values("input_type", "query", "document")},
		{regexp.MustCompile(`embedqa`), values("input_type", "query", "passage")}, // NVIDIA's retrieval models
	}
}

func prefixes(query, passage string) Roles {
	return Roles{Query: Role{Prefix: query}, Passage: Role{Prefix: passage}}
}

func values(parameter, query, passage string) Roles {
	return Roles{Query: Role{Value: query}, Passage: Role{Value: passage}, Parameter: parameter}
}

// DefaultRoles are the roles with which a model was trained, by its name; nil = none are
// known, or it embeds no texts of documents.
func (s Stage) DefaultRoles() *Roles {
	if s.Preview || s.Multi || s.Of != OfCaption {
		return nil
	}
	name := strings.ToLower(s.Model[strings.LastIndex(s.Model, "/")+1:])
	name, _, _ = strings.Cut(name, ":") // Ollama's tag
	for _, f := range families() {
		if f.name.MatchString(name) {
			return &f.roles
		}
	}
	return nil
}
