// Package vespa stores and searches documents in a Vespa application: it generates the
// application package, feeds documents, publishes whole generations, and searches. It uses
// only /document/v1, /search/ and /application/v2.
package vespa

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Namespace is the namespace of every document id.
const Namespace = "video"

// SchemaName is the document type of a profile's frames, <profile>_<tenant> as in
// Cogniverse. If the tenant has characters that a schema name cannot have, a part of its
// hash is appended, because "acme:eu" and "acme_eu" must not share a type.
func SchemaName(profile string, t tenant.ID) string { return word(profile) + "_" + tenantName(t) }

// GenerationType is the document type of a tenant's generations, the parents
// of its frames.
func GenerationType(t tenant.ID) string { return "generation_" + tenantName(t) }

var plain = regexp.MustCompile(`^[A-Za-z0-9]+(:[A-Za-z0-9]+)?$`)

func tenantName(t tenant.ID) string {
	if plain.MatchString(string(t)) {
		return word(string(t))
	}
	sum := sha256.Sum256([]byte(t))
	return word(string(t)) + "_" + hex.EncodeToString(sum[:4])
}

// word replaces characters that a schema name cannot have.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s)
}

// schema is the document type of one profile of one tenant.
type schema struct {
	Name    string
	Parent  string // document type of the generations
	Tenant  tenant.ID
	Profile string
	Dim     int
	Multi   bool
	Float   string // cell type of the field embedding; empty = only bits are stored
	Binary  bool   // the schema has a field embedding_binary
}

func newSchema(p video.Profile, t tenant.ID) *schema {
	s := &schema{
		Name: SchemaName(p.Name, t), Parent: GenerationType(t), Tenant: t, Profile: p.Name,
		Dim: p.Embed.Dim, Multi: p.Embed.Multi, Binary: p.Embed.Dim%8 == 0,
	}
	switch {
	case p.Embed.Keep == video.KeepBits:
	case p.Embed.Multi || p.Embed.Keep == video.KeepBFloat16:
		s.Float = "bfloat16"
	default:
		s.Float = "float"
	}
	return s
}

// Bytes is the length of one row of bits.
func (s *schema) Bytes() int { return s.Dim / 8 }

// layout has all schemas of a deployment.
type layout struct {
	tenants []tenant.ID
	schemas []*schema // by tenant, then in the order of the profiles
	byName  map[string]*schema
}

// newLayout refuses tenants or profiles that would have the same schema name.
func newLayout(tenants []tenant.ID, profiles []video.Profile) (*layout, error) {
	bad := func(subject, reason string) error {
		return fault.New(fault.Input, "lay out vespa schemas", subject, reason)
	}
	l := &layout{tenants: tenants, byName: map[string]*schema{}}
	taken := map[string]string{}
	take := func(name, owner string) error {
		if other, ok := taken[name]; ok {
			return bad(owner, "its schema "+name+" is also that of "+other+"; rename the profile")
		}
		taken[name] = owner
		return nil
	}
	for _, t := range tenants {
		if _, err := tenant.Parse(string(t)); err != nil || t == "" {
			return nil, bad(string(t), "invalid tenant name")
		}
		if err := take(GenerationType(t), "tenant "+string(t)); err != nil {
			return nil, err
		}
		for _, p := range profiles {
			s := newSchema(p, t)
			switch {
			case p.Name == "" || s.Name[0] >= '0' && s.Name[0] <= '9' || s.Name[0] == '_':
				return nil, bad(p.Name, "the name of a profile in Vespa must begin with a letter")
			case s.Dim < 1 || s.Float == "" && !s.Binary:
				return nil, bad(p.Name, "embed.dim must be at least 1, and a multiple of 8 to be stored as bits")
			}
			if err := take(s.Name, "profile "+p.Name+" of tenant "+string(t)); err != nil {
				return nil, err
			}
			l.schemas = append(l.schemas, s)
			l.byName[s.Name] = s
		}
	}
	return l, nil
}

// of returns the schema of a profile; nil = not deployed.
func (l *layout) of(t tenant.ID, profile string) *schema {
	for _, s := range l.schemas {
		if s.Tenant == t && s.Profile == profile {
			return s
		}
	}
	return nil
}
